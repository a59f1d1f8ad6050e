// A tutor's week, with its holds, lessons and blocks, and the working hours.

import { find } from "../base.js";
import { ask, change, now, rest } from "./api.js";
import { button, h, heading, joinLink, link, offerZone, onSubmit, openDialog, say, show, zoneOption } from "./dom.js";
import { askToCancel, countdown } from "./holds.js";
import { week, weekBar } from "./week.js";
import { addDays, dayStart, instant, longDay, money, ms, nameOf, ownZone, placesOf, span, t, weekOf } from "./words.js";

const EVERY_MS = 10_000;
const KINDS = { PAYMENT_REQUIRED: "held", CONFIRMED: "booked", BLOCKED: "blocked", OPEN: "open" };
const zones = [...new Set([ownZone, "UTC", ...Intl.supportedValuesOf("timeZone")])];
const DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const NEW = { listed: true, timezone: ownZone, weekly: [], rate: { decimal: "50.00", currency: "USD" } };

/** `#week/DAY`. It is asked for again every few seconds: no subscription tells of a new booking. */
export async function calendar({ place, path: [day], person, signal, reload, fail, today }) {
	const days = weekOf(day ?? today), from = new Date(dayStart(addDays(days[0], -1))), to = new Date(dayStart(addDays(days[6], 1)));
	const blocks = `/api/v1/instructors/${person.id}/availability/block`;
	let isPublished, items, drawn;
	await load();
	const timer = setInterval(() => document.hidden || load().catch(fail), EVERY_MS);
	signal.addEventListener("abort", () => clearInterval(timer));

	async function load() {
		const { getMyBookings: { nodes: lessons }, myBlocks, myAvailability } = await ask("TutorWeek", { from, to });
		isPublished = !!myAvailability;
		items = [
			...isPublished ? workingHours(days, myAvailability) : [],
			...lessons.map((one) => ({ ...one, start: one.startTime, end: one.endTime, about: nameOf(one.studentId) })),
			...myBlocks.nodes.map((one) => ({ ...one, status: "BLOCKED", about: one.reason })),
		].filter(({ status }) => status in KINDS);
		const found = JSON.stringify(items);
		if (!signal.aborted && drawn !== found) draw();
		drawn = found;
	}

	function draw() {
		show(place, heading(t("week.title")), !isPublished && h("div.notice.row.spread", t("week.unpublished"), link("hours", t("nav.hours"), "#hours")),
			h("div.row.spread", weekBar(days, today, (other) => `#week/${other}`), button("block", t("block.open"), block, "")),
			week(days, items, entry, { today, none: t("week.none"), minutes: 15 }));
	}

	function entry(item) {
		const { status, start, end, about, id } = item, kind = KINDS[status];
		if (kind === "open") return h("p.open", h("span", t("kinds.open")), span(start, end));
		const element = button(`${kind}-${id}`, "", () => details(item, kind), `event ${kind}`);
		element.append(h("span.number", span(start, end)), h("strong", t(`kinds.${kind}`)), about ? h("bdi", about) : "");
		return element;
	}

	function details({ id, start, end, about, purpose, price, holdExpiresAt, session }, kind) {
		const isBlock = kind === "blocked";
		const { fields: { act }, part } = openDialog("details", async () => {
			if (!isBlock) return void askToCancel("Lesson", id, reload);
			await rest("DELETE", `${blocks}/${id}`);
			reload();
		});
		part("title").textContent = [t(`kinds.${kind}`), about].filter(Boolean).join(": ");
		act.textContent = t(isBlock ? "block.remove" : "cancel.open");
		act.hidden = !isBlock && ms(start) < now();
		show(part("about"), h("p.large", `${longDay(start)} · ${span(start, end)}`), price && h("p", money(price)), purpose && h("p", purpose),
			holdExpiresAt && h("p", countdown(holdExpiresAt)), joinLink(id, session));
	}

	function block() {
		const { fields: { from, to, reason } } = openDialog("block", async () => {
			const [start_time, end_time] = [from, to].map(({ value }) => new Date(instant(value)));
			await rest("POST", blocks, { blocks: [{ start_time, end_time, reason: reason.value.trim() || null }] });
			reload();
		});
	}
}

/** The windows that touch these days. In the zone of the hours a day may begin earlier or later. */
function workingHours(days, { timezone, weekly }) {
	offerZone(timezone);
	const at = (day, time) => instant(`${day}T${time}`, timezone), isOf = (day) => ({ weekday }) => weekday === DAYS.at(new Date(day).getUTCDay() - 1);
	return [addDays(days[0], -1), ...days, addDays(days[6], 1)].flatMap((day) =>
		weekly.filter(isOf(day)).map(({ start, end }) => ({ status: "OPEN", start: at(day, start), end: at(day, end) })));
}

/** `#hours`. The form is in the page. */
export async function hours({ place, signal, person }) {
	const { weekly, rate, ...mine } = (await ask("MyHours")).myAvailability ?? { ...NEW, displayName: person.name };
	if (signal.aborted) return;
	show(place, find("hours").content.cloneNode(true));
	const form = place.querySelector("form"), fields = form.elements, saved = form.querySelector("[data-part=saved]");
	fields.timezone.append(...zones.sort().map(zoneOption));
	for (const [name, value] of Object.entries(mine)) fields[name].value = value ?? "";
	fields.listed.checked = mine.listed;
	fields.amount.value = rate.decimal;
	fields.currency.value = rate.currency;
	for (const day of DAYS) fields[day].value = weekly.filter(({ weekday }) => weekday === day).map(({ start, end }) => `${start}-${end}`).join(", ");
	onSubmit(form, async () => {
		saved.textContent = "";
		const input = {
			displayName: fields.displayName.value.trim() || null, listed: fields.listed.checked, timezone: fields.timezone.value,
			rate: { amountMinor: Math.round(fields.amount.value * 10 ** placesOf(rate)), currency: rate.currency },
			weekly: DAYS.flatMap((day) => windows(day, fields[day].value)),
		};
		for (const { name, value } of form.querySelectorAll("[data-number]")) input[name] = Number(value);
		await change("PublishHours", { input }).catch((problem) => { throw pointOut(problem, input, fields); });
		saved.textContent = t("hours.saved");
		say(saved.textContent);
	});
}

/** "09:00-12:00, 14:00-17:00" as windows of this day. */
const windows = (weekday, text) => text.split(",").filter((part) => part.trim()).map((part) => {
	const [start, end] = part.split("-").map((time) => time.trim());
	return { weekday, start, end };
});

/** Names the field of the problem, and moves the focus there. */
function pointOut(problem, { weekly }, fields) {
	const [, name, at] = problem.field ?? [], field = fields[weekly[at]?.weekday ?? (name === "rate" ? "amount" : name)];
	field?.focus();
	return field ? { code: "FIELD", label: field.labels[0].innerText.trim() } : problem;
}
