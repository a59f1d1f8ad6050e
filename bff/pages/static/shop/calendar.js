// A tutor's week: holds, lessons and blocks.

import { ask, now, rest } from "./api.js";
import { button, h, heading, joinLink, link, openDialog, show } from "./dom.js";
import { askToCancel, countdown } from "./holds.js";
import { week, weekBar } from "./week.js";
import { addDays, dayStart, instant, longDay, money, ms, nameOf, span, t, weekOf } from "./words.js";

const EVERY_MS = 10_000, DAY = 86_400_000;
const KINDS = { PAYMENT_REQUIRED: "held", CONFIRMED: "booked", BLOCKED: "blocked" };

/** `#week/DAY`. It is asked for again every few seconds: no subscription tells of a new booking. */
export async function calendar({ place, path: [day], person, signal, reload, fail, today }) {
	const days = weekOf(day ?? today), from = new Date(dayStart(days[0]) - DAY), to = new Date(dayStart(addDays(days[6], 1)));
	const blocks = `/api/v1/instructors/${person.id}/availability/block`;
	let isPublished, items, drawn;
	await load();
	const timer = setInterval(() => document.hidden || load().catch(fail), EVERY_MS);
	signal.addEventListener("abort", () => clearInterval(timer));

	async function load() {
		const { getMyBookings: { nodes: lessons }, myBlocks, myAvailability } = await ask("TutorWeek", { from, to });
		isPublished = !!myAvailability;
		items = [
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
			week(days, items, entry, { today, none: t("week.none") }));
	}

	function entry(item) {
		const { status, start, end, about, id } = item, kind = KINDS[status], element = button(`${kind}-${id}`, "", () => details(item, kind), `event ${kind}`);
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
