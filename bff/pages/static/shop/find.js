// A student chooses a tutor, then a free time of a week, and books it.

import { ask, change, now } from "./api.js";
import { button, h, heading, link, openDialog, show } from "./dom.js";
import { locale, money, nameOf, names, t } from "./texts.js";
import { addDays, dayOf, dayStart, local, longDay, moment, ms, span, time, weekOf, zone, zoneName } from "./time.js";
import { week, weekBar } from "./week.js";

const LENGTHS = [30, 45, 60, 90, 120];

/** The tutors of the shop window. Their names are known from then on. */
export async function loadTutors() {
  const { nodes } = (await ask("Tutors")).tutors;
  nodes.forEach((tutor) => { names.set(tutor.id, tutor.displayName ??= nameOf(tutor.id)); });
  return nodes;
}

/** The free slots of this range, which is at most 31 days. */
export const loadFree = async (id, minutes, from, to) => from < to
  ? (await ask("FreeTimes", { id, minutes, from: new Date(from), to: new Date(to) })).tutorAvailability : [];

/** Where the page to pay on leads back to. */
export function waysBack(name) {
  const here = location.href.replace(/#.*/, "");
  return { paid: `${here}#${name}/paid`, cancelled: `${here}#${name}` };
}

/** `#find`, and `#find/TUTOR/DAY/MINUTES`. */
export async function find(view) {
  const [id, day, minutes = "60"] = view.path, tutors = await loadTutors();
  const tutor = tutors.find((one) => one.id === id);
  if (tutor) await showWeek(view, tutor, day ?? dayOf(tutor.nextFreeTime ?? now()), Number(minutes));
  else show(view.place, heading(t("find.title")), tutors.length ? h("ul", { class: "cards" }, tutors.map(card)) : h("p", {}, t("find.nobody")));
}

const about = ({ rate, timezone }) => [
  h("p", {}, t("find.rate", { price: money(rate) })),
  h("p", { class: "soft small" }, t("find.there", { time: time(now(), timezone), zone: zoneName(now(), timezone) }))];

const card = (tutor) => h("li", {}, h("a", { class: "card stack tight", href: `#find/${tutor.id}`, "data-key": tutor.id },
  h("h2", {}, h("bdi", {}, tutor.displayName)), about(tutor), next(tutor)));

const next = ({ nextFreeTime }) => h("p", { class: "small" },
  nextFreeTime ? t("find.next", { time: moment(nextFreeTime) }) : t("find.full"));

async function showWeek({ place, go, today }, tutor, day, minutes) {
  const days = weekOf(day), to = (other) => `#find/${tutor.id}/${other}/${minutes}`;
  const slots = await loadFree(tutor.id, minutes, Math.max(now(), dayStart(days[0])), dayStart(addDays(days[6], 1)));
  const length = h("select", { "data-key": "length", onchange: () => go(`#find/${tutor.id}/${day}/${length.value}`) },
    LENGTHS.map((count) => h("option", { value: count, selected: count === minutes }, t("find.minutes", { count }))));
  const choose = (group) => book(tutor, group, minutes, () => go(to(day)));
  const forward = days.includes(dayOf(tutor.nextFreeTime ?? now())) ? addDays(days[0], 7) : dayOf(tutor.nextFreeTime);
  show(place, h("a", { href: "#find", "data-key": "all" }, t("find.all")),
    h("div", { class: "stack tight" }, heading(t("find.of", { name: tutor.displayName })), about(tutor)),
    h("div", { class: "row spread" }, weekBar(days, today, to), h("label", { class: "row" }, t("find.length"), length)),
    slots.length ? week(days, hours(slots, choose), { parts: 1, today, none: t("find.none") })
      : h("div", { class: "notice row spread" }, t("find.empty"), next(tutor), link("next", t("week.forward"), to(forward))));
}

/** One button for the free starts of an hour. */
function hours(slots, choose) {
  const groups = Object.groupBy(slots, ({ start }) => local(start).slice(0, 13));
  return Object.values(groups).map((group) => {
    const [{ start }] = group;
    const make = () => {
      const slot = button(start, time(start), () => choose(group), "quiet slot");
      slot.ariaLabel = `${time(start)}, ${longDay(start)}`;
      return slot;
    };
    return { start, end: ms(start) + 1, make };
  });
}

/** The dialog of a lesson: when it starts, what it is about, and the two ways to book it. */
function book(tutor, slots, minutes, again) {
  let chosen = slots[0], key;
  const { box, fields, part } = openDialog("book", send), isFree = !chosen.price.amountMinor;
  part("title").textContent = t("book.title", { name: tutor.displayName });
  part("day").textContent = longDay(chosen.start);
  part("zone").textContent = zoneName(chosen.start);
  show(part("starts"), slots.map((slot) => h("label", { class: "choice number" },
    h("input", { type: "radio", name: "start", checked: slot === chosen, onchange: () => choose(slot) }), span(slot.start, slot.end))));
  part("starts").querySelector("input").focus();
  fields.pay.hidden = fields.later.hidden = part("hold").hidden = isFree;
  fields.free.hidden = !isFree;
  fields.purpose.oninput = () => choose(chosen);
  box.onclose = again;
  choose(chosen);

  /** Another order has another key; the same one sent again, after no answer, books once. */
  function choose(slot) {
    chosen = slot;
    key = crypto.randomUUID();
    fields.pay.textContent = t("holds.book", { price: money(slot.price) });
    part("there").textContent = tutor.timezone === zone ? "" : t("book.there", { name: tutor.displayName, time: moment(slot.start, tutor.timezone) });
  }

  async function send(pressed) {
    const { amountMinor, currency } = chosen.price, price = { amountMinor, currency };
    const order = { tutor: tutor.id, time: chosen.start, minutes, purpose: fields.purpose.value.trim() || null, key, price, zone, locale };
    const { checkoutUrl } = await change("BookLesson", { ...order, ...waysBack("lessons") });
    box.onclose = null;
    location.assign(pressed === "pay" && checkoutUrl ? checkoutUrl : "#lessons");
  }
}
