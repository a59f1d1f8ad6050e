// The courses: a student's own, and those to enroll in.

import { ask, change } from "./api.js";
import { button, h, heading, say, show } from "./dom.js";
import { loadTutors, waysBack } from "./find.js";
import { askToCancel } from "./holds.js";
import { sale, statusOf } from "./lessons.js";
import { watch } from "./live.js";
import { locale, money, nameOf, t } from "./texts.js";
import { zone } from "./time.js";

/** `#courses`. */
export async function courses({ place, signal, reload, fail }) {
  const [{ courses: offered, getMyEnrollments: mine }] = await Promise.all([ask("Courses"), loadTutors()]);
  const known = new Map(mine.nodes.map((enrollment) => [enrollment.id, enrollment]));
  if (signal.aborted) return;
  draw();
  for (const { id, status } of mine.nodes) {
    if (status === "PAYMENT_REQUIRED") watch({ subscription: "SeatUpdated", query: "Courses", variables: { id }, heard: hear, failed: fail }, signal);
  }

  /** Polled, the answer is the whole list. */
  function hear({ enrollment, getMyEnrollments }) {
    for (const one of enrollment ? [enrollment] : getMyEnrollments.nodes) {
      const before = known.get(one.id);
      known.set(one.id, one);
      if (before && statusOf(before) !== statusOf(one)) say(`${statusOf(one)}: ${one.course?.title}`);
    }
    draw();
  }

  function draw() {
    const own = [...known.values()].filter(({ course }) => course);
    const taken = own.filter(isOpen).map(({ course }) => course.id);
    const free = offered.nodes.filter(({ id }) => !taken.includes(id));
    const items = (nodes) => h("ul", { class: "cards" }, nodes.map((node) => h("li", { class: "card stack tight" }, node)));
    show(place, heading(t("courses.mine")), own.length ? items(own.map(enrolled)) : h("p", { class: "soft" }, t("courses.none")),
      h("h2", {}, t("courses.more")), free.length ? items(free.map(offer)) : h("p", { class: "soft" }, t("courses.empty")));
  }

  function enrolled(enrollment) {
    const { id, course } = enrollment, { badge, lines } = sale(enrollment, course.price);
    return [about(course, "h2"), h("p", {}, badge), lines, isOpen(enrollment) && button(`cancel-${id}`, t("cancel.open"), () => askToCancel("Seat", id, reload))];
  }

  function offer(course) {
    const { id, seats, seatsTaken, price: { amountMinor, currency } } = course, left = seats - seatsTaken;
    const enroll = () => change("Enroll", { id, price: { amountMinor, currency }, zone, locale, ...waysBack("courses") })
      .then(({ checkoutUrl }) => checkoutUrl ? location.assign(checkoutUrl) : reload(), fail);
    return [about(course, "h3"), seats && h("p", { class: "soft small" }, left ? t("courses.seats", { count: left }) : t("courses.full")),
      (!seats || left > 0) && button(`enroll-${id}`, t(amountMinor ? "courses.pay" : "courses.free", { price: money(course.price) }), enroll, "")];
  }
}

const isOpen = ({ status }) => ["PAYMENT_REQUIRED", "ACTIVE"].includes(status);

const about = ({ title, instructorId, price }, level) => [
  h(level, {}, title), h("p", {}, t("lessons.with", { name: nameOf(instructorId), price: money(price) }))];
