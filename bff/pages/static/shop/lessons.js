// A student's lessons: what is still to be paid, what is coming, what is over.

import { ask, change, now } from "./api.js";
import { button, h, heading, link, say, show } from "./dom.js";
import { loadTutors } from "./find.js";
import { askToCancel, unpaid } from "./holds.js";
import { watch } from "./live.js";
import { money, nameOf, t } from "./texts.js";
import { dayOf, longDay, ms, span } from "./time.js";

const DAY = 86_400_000;

/** `#lessons`; `#lessons/paid` when somebody comes back from paying. */
export async function lessons({ place, path: [isPaid], signal, reload, fail }) {
  const known = new Map(), since = new Date(now() - DAY);
  const coming = { from: since, order: "START_ASC" }, over = { to: since, order: "START_DESC" };
  await Promise.all([load(coming), load(over), loadTutors()]);
  if (signal.aborted) return;
  draw();
  for (const { id } of [...known.values()].filter(isUnpaid)) {
    if (isPaid) change("RefreshLesson", { id }).catch(() => {});  // also when no webhook comes through
    watch({ subscription: "LessonUpdated", query: "OneLesson", variables: { id }, heard: hear, failed: fail }, signal);
  }

  async function load(list) {
    const { nodes, pageInfo } = (await ask("Lessons", list)).getMyBookings;
    nodes.forEach((booking) => known.set(booking.id, booking));
    list.after = pageInfo.hasNextPage && pageInfo.endCursor;
  }

  function hear({ booking }) {
    const before = known.get(booking.id);
    if (JSON.stringify(before) === JSON.stringify(booking)) return;
    known.set(booking.id, booking);
    draw();
    if (statusOf(before) !== statusOf(booking)) say(`${statusOf(booking)}: ${longDay(booking.startTime)}`);
  }

  function draw() {
    const all = [...known.values()].sort((one, other) => isUnpaid(other) - isUnpaid(one) || ms(one.startTime) - ms(other.startTime));
    const [ahead, gone] = [true, false].map((wanted) => all.filter((booking) => isAhead(booking) === wanted));
    const items = (bookings, level) => h("ul", { class: "stack" }, bookings.map((booking) => h("li", {}, card(booking, level, reload))));
    const further = (list) => list.after && button(list.order, t("lessons.more"), () => load(list).then(draw, fail));
    show(place, heading(t("lessons.title")),
      ahead.length ? items(ahead, "h2") : h("div", { class: "notice row spread" }, t("lessons.none"), link("find", t("nav.find"), "#find")), further(coming),
      gone.length && h("h2", {}, t("lessons.over")), gone.length && items(gone.reverse(), "h3"), further(over));
  }
}

const isUnpaid = ({ status }) => status === "PAYMENT_REQUIRED";
const isLost = ({ status, startTime }) => ["EXPIRED", "PAYMENT_FAILED"].includes(status) && ms(startTime) > now();
const isAhead = ({ status, endTime }) => ["PAYMENT_REQUIRED", "CONFIRMED"].includes(status) && ms(endTime) > now();

/** The status of a booking or an enrollment in words. What is paid and not yet confirmed is not called unpaid. */
export function statusOf(sold) {
  if (isUnpaid(sold) && sold.payment?.status === "SUCCEEDED") return t("status.BEING_CONFIRMED");
  return t(`status.${sold.status === "CONFIRMED" && ms(sold.endTime) < now() ? "OVER" : sold.status}`);
}

const KINDS = { CONFIRMED: "good", ACTIVE: "good", PAYMENT_REQUIRED: "warn", PAYMENT_FAILED: "bad" };

/** What a sale is: its status, what became of the money, and how to pay. */
export function sale(sold, price) {
  const { status, payment } = sold, { refunded, refundPending, refundState, declineReason, attemptsLeft } = payment ?? {};
  const told = refundState === "NEEDS_REVIEW" ? t("refund.review")
    : refundPending?.amountMinor ? t("refund.pending", { refund: money(refundPending) })
    : refunded?.amountMinor ? t("refund.paid", { refund: money(refunded) })
    : isUnpaid(sold) && declineReason && `${t(`declined.because_${declineReason}`)} ${t("declined.left", { count: attemptsLeft ?? 0 })}`;
  return {
    badge: h("span", { class: `badge ${KINDS[status] ?? ""}` }, statusOf(sold)),
    lines: [told && h("p", { class: isUnpaid(sold) ? "notice warn" : "soft" }, told),
      isUnpaid(sold) && payment?.status !== "SUCCEEDED" && unpaid(sold, price)],
  };
}

function card(booking, level, reload) {
  const { id, startTime, endTime, purpose, price, session } = booking, { badge, lines } = sale(booking, price);
  return h("article", { class: "card stack tight" },
    h("div", { class: "row spread" }, h(level, {}, `${longDay(startTime)}, ${span(startTime, endTime)}`), badge),
    h("p", {}, t("lessons.with", { name: nameOf(booking.tutorId), price: money(price) })),
    purpose && h("p", { class: "soft" }, purpose), lines,
    isLost(booking) && h("div", {}, link(`again-${id}`, t("lessons.again"), `#find/${booking.tutorId}/${dayOf(startTime)}`)),
    isAhead(booking) && h("div", { class: "row" },
      link(`join-${id}`, t("lessons.join"), session?.meetingLink, { class: "button", target: "_blank", rel: "noopener noreferrer" }),
      ms(startTime) > now() && button(`cancel-${id}`, t("cancel.open"), () => askToCancel("Lesson", id, reload))));
}
