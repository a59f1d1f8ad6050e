// A student chooses a tutor, then a free time of a week, and books it.

import { ask, change, now } from "./api.js";
import { button, h, heading, link, openDialog, show } from "./dom.js";
import { week, weekBar } from "./week.js";
import { addDays, dayOf, dayStart, locale, longDay, moment, money, ms, nameOf, names, span, t, time, weekOf, zone } from "./words.js";

const LENGTHS = [30, 45, 60, 90, 120];

export async function loadTutors() {
	const { nodes } = (await ask("Tutors")).tutors;
	for (const tutor of nodes) names.set(tutor.id, tutor.displayName ??= nameOf(tutor.id));
	return nodes;
}

export function waysBack(name) {
	const [here] = location.href.split("#");
	return { paid: `${here}#${name}/paid`, cancelled: `${here}#${name}` };
}

/** `#find`, and `#find/TUTOR/DAY/MINUTES`. */
export async function find(view) {
	const [id, day, minutes = "60"] = view.path, tutors = await loadTutors(), tutor = tutors.find((one) => one.id === id);
	if (tutor) await showWeek(view, tutor, day ?? dayOf(tutor.nextFreeTime ?? now()), Number(minutes));
	else show(view.place, heading(t("find.title")), tutors.length ? h("ul.cards", tutors.map(card)) : h("p", t("find.nobody")));
}

const card = (tutor) => h("li", h("a.card.stack.tight", { href: `#find/${tutor.id}`, "data-key": tutor.id }, h("h2", h("bdi", tutor.displayName)), about(tutor), next(tutor)));

const about = ({ rate }) => h("p", t("find.rate", { price: money(rate) }));

const next = ({ nextFreeTime }) => h("p.small", nextFreeTime ? t("find.next", { time: moment(nextFreeTime) }) : t("find.full"));

async function showWeek({ place, go, today }, tutor, day, minutes) {
	const days = weekOf(day), to = (other, length = minutes) => `#find/${tutor.id}/${other}/${length}`;
	const [from, over] = [Math.max(now(), dayStart(days[0])), dayStart(addDays(days[6], 1))].map((at) => new Date(at));
	const slots = from < over ? (await ask("FreeTimes", { id: tutor.id, minutes, from, to: over })).tutorAvailability : [];
	const length = h("select", { "data-key": "length", onchange: () => go(to(day, length.value)) },
		LENGTHS.map((count) => h("option", { value: count, selected: count === minutes }, t("find.minutes", { count }))));
	const free = dayOf(tutor.nextFreeTime ?? now());
	const make = (slot) => Object.assign(button(slot.start, time(slot.start), () => book(tutor, slot, minutes, () => go(to(day))), "quiet slot"),
		{ ariaLabel: `${time(slot.start)}, ${longDay(slot.start)}` });
	show(place, h("a", { href: "#find", "data-key": "all" }, t("find.all")),
		h("div.stack.tight", heading(t("find.of", { name: tutor.displayName })), about(tutor)),
		h("div.row.spread", weekBar(days, today, to), h("label.row", t("find.length"), length)),
		slots.length ? week(days, slots.map((slot) => ({ ...slot, end: ms(slot.start) + 1 })), make, { today, none: t("find.none") })
			: h("div.notice.row.spread", t("find.empty"), next(tutor), link("next", t("week.forward"), to(days.includes(free) ? addDays(days[0], 7) : free))));
}

function book(tutor, { start, price }, minutes, again) {
	const { box, fields, part } = openDialog("book", send), { amountMinor, currency } = price;
	part("title").textContent = t("book.title", { name: tutor.displayName });
	part("day").textContent = `${longDay(start)}, ${span(start, ms(start) + minutes * 60_000)}`;
	part("zone").textContent = zone.replaceAll("_", " ");
	fields.pay.textContent = t("holds.book", { price: money(price) });
	fields.pay.hidden = fields.later.hidden = part("hold").hidden = !amountMinor;
	fields.free.hidden = amountMinor;
	box.onclose = again;
	let key = crypto.randomUUID(); // the same order sent again, after no answer, books once
	fields.purpose.oninput = () => { key = crypto.randomUUID(); };

	async function send(pressed) {
		const purpose = fields.purpose.value.trim() || null, order = { tutor: tutor.id, time: start, minutes, purpose, key, price: { amountMinor, currency }, zone, locale };
		const { checkoutUrl } = await change("BookLesson", { ...order, ...waysBack("lessons") });
		box.onclose = null;
		location.assign(pressed === "pay" && checkoutUrl ? checkoutUrl : "#lessons");
	}
}
