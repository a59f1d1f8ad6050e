// A student chooses a tutor, then a free time of a week, and books it.

import { ask, change, now } from "./api.js";
import { button, h, heading, link, offerZone, openDialog, show } from "./dom.js";
import { week, weekBar } from "./week.js";
import { addDays, dayOf, dayStart, locale, longDay, moment, money, ms, nameOf, names, ownZone, span, t, time, weekOf, zone } from "./words.js";

export async function loadTutors() {
	const { nodes } = (await ask("Tutors")).tutors;
	for (const tutor of nodes) {
		names.set(tutor.id, tutor.displayName ??= nameOf(tutor.id));
		offerZone(tutor.timezone);
	}
	return nodes;
}

/** What every order says. */
export function orderFor({ amountMinor, currency }, name) {
	const [here] = location.href.split("#");
	return { price: { amountMinor, currency }, zone: ownZone, locale, paid: `${here}#${name}/paid`, cancelled: `${here}#${name}` };
}

/** `#find`, and `#find/TUTOR/DAY/MINUTES`. */
export async function find(view) {
	const [id, day, minutes = "60"] = view.path, tutors = await loadTutors(), tutor = tutors.find((one) => one.id === id);
	if (tutor) await showWeek(view, tutor, Number(minutes), dayOf(tutor.nextFreeTime ?? now()), day);
	else show(view.place, heading(t("find.title")), tutors.length ? h("ul.cards", tutors.map(card)) : h("p", t("find.nobody")));
}

const card = (tutor) => h("li", h("a.card.stack.tight", { href: `#find/${tutor.id}`, "data-key": tutor.id }, h("h2", h("bdi", tutor.displayName)), about(tutor), next(tutor)));

const about = ({ rate }) => h("p", t("find.rate", { price: money(rate) }));

const next = ({ nextFreeTime }) => h("p.small", nextFreeTime ? t("find.next", { time: moment(nextFreeTime) }) : t("find.full"));

async function showWeek({ place, go, today }, tutor, minutes, free, day = free) {
	const days = weekOf(day), to = (other, length = minutes) => `#find/${tutor.id}/${other}/${length}`;
	const [from, over] = [Math.max(now(), dayStart(days[0])), dayStart(addDays(days[6], 1))].map((at) => new Date(at));
	const slots = from < over ? (await ask("FreeTimes", { id: tutor.id, minutes, from, to: over })).tutorAvailability : [];
	const length = h("select", { "data-key": "length", onchange: () => go(to(day, length.value)) },
		[30, 45, 60, 90, 120].map((count) => new Option(t("find.minutes", { count }), count, false, count === minutes)));
	const make = (slot) => Object.assign(button(slot.start, time(slot.start), () => book(tutor, slot, minutes, () => go(to(day))), "quiet slot"),
		{ ariaLabel: `${time(slot.start)}, ${longDay(slot.start)}` });
	const step = Math.min(30, ...slots.slice(1).map(({ start }, at) => (ms(start) - ms(slots[at].start)) / 60_000)); // two in a row
	show(place, h("a", { href: "#find", "data-key": "all" }, t("find.all")),
		h("div.stack.tight", heading(t("find.of", { name: tutor.displayName })), about(tutor)),
		h("div.row.spread", weekBar(days, today, to), h("label.row", t("find.length"), length)),
		slots.length ? week(days, slots.map((slot) => ({ ...slot, end: ms(slot.start) + 1 })), make, { today, none: t("find.none"), minutes: 2 * step })
			: h("div.notice.row.spread", t("find.empty"), next(tutor), link("next", t("week.forward"), to(days.includes(free) ? addDays(days[0], 7) : free))));
}

function book(tutor, { start, price }, minutes, again) {
	const { box, fields, part } = openDialog("book", send), isFree = !price.amountMinor;
	part("title").textContent = t("book.title", { name: tutor.displayName });
	part("day").textContent = `${longDay(start)}, ${span(start, ms(start) + minutes * 60_000)}`;
	part("zone").textContent = zone.replaceAll("_", " ");
	fields.pay.textContent = t("holds.book", { price: money(price) });
	fields.pay.hidden = fields.later.hidden = part("hold").hidden = isFree;
	fields.free.hidden = !isFree;
	box.onclose = again;
	let key = crypto.randomUUID(); // the same order sent again, after no answer, books once
	fields.purpose.oninput = () => { key = crypto.randomUUID(); };

	async function send(pressed) {
		const purpose = fields.purpose.value.trim() || null, order = orderFor(price, "lessons");
		const { checkoutUrl } = await change("BookLesson", { tutor: tutor.id, time: start, minutes, purpose, key, ...order });
		box.onclose = null;
		location.assign(pressed === "pay" && checkoutUrl ? checkoutUrl : "#lessons");
	}
}
