// What a student has bought: lessons, and seats in courses. What is unpaid is followed.

import { ask, change, now, watch } from "./api.js";
import { button, h, heading, joinLink, link, say, show } from "./dom.js";
import { loadTutors, orderFor } from "./find.js";
import { askToCancel, countdown, payLink } from "./holds.js";
import { dayOf, longDay, money, ms, nameOf, span, t } from "./words.js";

const TONES = { CONFIRMED: "good", ACTIVE: "good", PAYMENT_REQUIRED: "warn", PAYMENT_FAILED: "bad" };
const isUnpaid = ({ status }) => status === "PAYMENT_REQUIRED";
const isPaid = ({ payment }) => payment?.status === "SUCCEEDED";
const isOpen = ({ status, endTime }) => status in TONES && status !== "PAYMENT_FAILED" && !(ms(endTime) < now());

/** What is paid and not yet confirmed is not called unpaid. */
function statusOf(sold) {
	if (isUnpaid(sold) && isPaid(sold)) return t("status.BEING_CONFIRMED");
	return t(`status.${sold.status === "CONFIRMED" && !isOpen(sold) ? "OVER" : sold.status}`);
}

function outcome(sold) {
	const { refunded, refundPending, refundState } = sold.payment ?? {};
	if (refundState === "NEEDS_REVIEW") return t("refund.review");
	if (refundPending?.amountMinor) return t("refund.pending", { refund: money(refundPending) });
	return refunded?.amountMinor && t("refund.paid", { refund: money(refunded) });
}

const terms = (tutor, price) => h("p", t("lessons.with", { name: nameOf(tutor), price: money(price) }));

function card(sold, level, { title, tutor, price, about, buttons }) {
	const told = outcome(sold), until = isUnpaid(sold) && !isPaid(sold) && sold.holdExpiresAt;
	return h("article.card.stack.tight",
		h("div.row.spread", h(level, title), h("span", { class: `badge ${TONES[sold.status] ?? ""}` }, statusOf(sold))),
		terms(tutor, price), about && h("p.soft", about), told && h("p.soft", told),
		until && countdown(until), h("div.row", until && payLink(sold, price), buttons));
}

const cancelButton = (what, id, done) => button(`cancel-${id}`, t("cancel.open"), () => askToCancel(what, id, done));

/** Asks again while no WebSocket comes through. */
function follow(subscription, known, draw, reload, signal) {
	const heard = ({ sold }) => {
		if (statusOf(known.get(sold.id)) !== statusOf(sold)) say(`${statusOf(sold)}: ${sold.course?.title ?? longDay(sold.startTime)}`);
		known.set(sold.id, sold);
		draw();
	};
	for (const { id } of [...known.values()].filter(isUnpaid)) watch(subscription, { id }, heard, reload, signal);
}

/** `#lessons`; `#lessons/paid` when somebody comes back from paying. */
export async function lessons({ place, path: [cameBack], signal, reload, fail }) {
	const known = new Map(), since = new Date(now() - 86_400_000);
	const coming = { from: since, order: "START_ASC" }, over = { to: since, order: "START_DESC" };
	await Promise.all([load(coming), load(over), loadTutors()]);
	if (signal.aborted) return;
	draw();
	for (const { id } of [...known.values()].filter((booking) => cameBack && isUnpaid(booking))) change("RefreshLesson", { id }).catch(() => {});
	follow("LessonUpdated", known, draw, reload, signal);

	async function load(list) {
		const { nodes, pageInfo } = (await ask("Lessons", list)).getMyBookings;
		for (const booking of nodes) known.set(booking.id, booking);
		list.after = pageInfo.hasNextPage && pageInfo.endCursor;
	}

	function draw() {
		const all = [...known.values()].sort((one, other) => isUnpaid(other) - isUnpaid(one) || ms(one.startTime) - ms(other.startTime));
		const { true: ahead, false: gone } = Object.groupBy(all, isOpen);
		const items = (bookings, level) => h("ul.stack", bookings.map((booking) => h("li", lesson(booking, level))));
		const further = (list) => list.after && button(list.order, t("lessons.more"), () => load(list).then(draw, fail));
		show(place, heading(t("lessons.title")),
			ahead ? items(ahead, "h2") : h("div.notice.row.spread", t("lessons.none"), link("find", t("nav.find"), "#find")), further(coming),
			gone && [h("h2", t("lessons.over")), items(gone.reverse(), "h3")], further(over));
	}

	function lesson(booking, level) {
		const { id, startTime, endTime, tutorId: tutor, price, purpose: about, session } = booking;
		const isAhead = ms(startTime) > now(), cancel = isAhead && cancelButton("Lesson", id, reload);
		const again = isAhead && booking.status !== "CANCELLED" && link(`again-${id}`, t("lessons.again"), `#find/${tutor}/${dayOf(startTime)}`);
		const buttons = isOpen(booking) ? [joinLink(id, session, { class: "button" }), cancel] : again;
		return card(booking, level, { title: `${longDay(startTime)}, ${span(startTime, endTime)}`, tutor, price, about, buttons });
	}
}

/** `#courses`: the student's own, and those to enroll in. */
export async function courses({ place, signal, reload, fail }) {
	const [{ courses: offered, getMyEnrollments: mine }] = await Promise.all([ask("Courses"), loadTutors()]);
	const known = new Map(mine.nodes.map((seat) => [seat.id, seat]));
	if (signal.aborted) return;
	draw();
	follow("SeatUpdated", known, draw, reload, signal);

	function draw() {
		const own = [...known.values()].filter(({ course }) => course), taken = own.filter(isOpen).map(({ course }) => course.id);
		const free = offered.nodes.filter(({ id }) => !taken.includes(id));
		const items = (cards, none) => cards.length ? h("ul.cards", cards.map((one) => h("li", one))) : h("p.soft", none);
		show(place, heading(t("courses.mine")), items(own.map(enrolled), t("courses.none")), h("h2", t("courses.more")), items(free.map(offer), t("courses.empty")));
	}

	function enrolled(seat) {
		const { id, course: { title, instructorId: tutor, price } } = seat;
		return card(seat, "h2", { title, tutor, price, buttons: isOpen(seat) && cancelButton("Seat", id, reload) });
	}

	function offer({ id, title, instructorId, seats, seatsTaken, price }) {
		const left = seats - seatsTaken;
		const enroll = () => change("Enroll", { id, ...orderFor(price, "courses") })
			.then(({ checkoutUrl }) => checkoutUrl ? location.assign(checkoutUrl) : reload(), fail);
		return h("article.card.stack.tight", h("h3", title), terms(instructorId, price),
			seats && h("p.soft.small", left ? t("courses.seats", { count: left }) : t("courses.full")),
			(!seats || left > 0) && button(`enroll-${id}`, t(price.amountMinor ? "courses.pay" : "courses.free", { price: money(price) }), enroll, ""));
	}
}
