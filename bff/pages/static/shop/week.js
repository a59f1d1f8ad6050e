// A week as a grid of days and hours. On a narrow screen the same elements are a list of days.

import { h, link } from "./dom.js";
import { locale, t } from "./texts.js";
import { addDays, clock, dayStart, ms, write } from "./time.js";

const MINUTE = 60_000, HOUR = 60 * MINUTE;

/**
 * `items` are { start, end, make }: `make` makes the element of an item, once for each day on which it is. An hour has
 * `parts` rows; one in which nothing is has none. A day without items says `none`.
 */
export function week(days, items, { parts, today, none }) {
  const perDay = days.map((day) => pieces(day, items));
  const hours = [...new Set(perDay.flat().flatMap(hoursOf))].sort((one, other) => one - other);
  const row = (minutes) => 1 + hours.filter((hour) => hour < Math.floor(minutes / 60)).length * parts
    + (hours.includes(Math.floor(minutes / 60)) ? Math.floor(minutes % 60 * parts / 60) : 0);
  const grid = h("div", { class: "week" },
    hours.map((hour) => place(h("span", { class: "hour", "aria-hidden": "true" }, write(hour * HOUR, { hour: "numeric" }, "UTC")),
      row(hour * 60) + 1, row(hour * 60) + 1 + parts)),
    days.map((day, index) => h("section", { class: day < today ? "day gone" : "day", "aria-current": day === today && "date" },
      h("h3", {}, ["weekday", "day"].map((part) => h("span", {}, write(day, part === "day" ? { day: "numeric", month: "short" } : { weekday: "short" }, "UTC"), " "))),
      perDay[index].length ? h("ul", {}, stacked(perDay[index], row)) : h("p", { class: "soft small" }, none))));
  grid.style.setProperty("--rows", Math.max(1, hours.length * parts));
  return grid;
}

/** The items of this day, cut at midnight, in minutes by the clock: 24:00 is 1440. */
function pieces(day, items) {
  const begin = dayStart(day), end = dayStart(addDays(day, 1)), minutes = (at) => (clock(at) - ms(day)) / MINUTE;
  return items.map(({ start, end: over, make }) => ({ start: Math.max(begin, ms(start)), over: Math.min(end, ms(over)), make }))
    .filter(({ start, over }) => start < over)
    .sort((one, other) => one.start - other.start)
    .map(({ start, over, make }) => ({ from: minutes(start), to: minutes(over), make }));
}

function hoursOf({ from, to }) {
  const first = Math.floor(from / 60);
  return Array.from({ length: Math.max(1, Math.ceil(to / 60) - first) }, (_, index) => first + index);
}

/** On a day that the clocks go back an hour comes twice: what comes second stands below the first. */
function stacked(items, row) {
  let free = 1;
  return items.map(({ from, to, make }) => {
    const start = Math.max(free, row(from));
    free = Math.max(start + 1, row(to));
    return place(h("li", {}, make()), start, free);
  });
}

function place(element, row, end) {
  element.style.gridRow = `${row} / ${end}`;
  return element;
}

/** Which week this is, and the ways to others. `to` gives the address of a day's week. */
export function weekBar(days, today, to) {
  const range = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
  const step = (name, ahead) => link(name, h("span", { class: `arrow ${name}` }), to(addDays(days[0], ahead)), { "aria-label": t(`week.${name}`) });
  return h("div", { class: "row" }, step("before", -7), step("behind", 7), link("now", t("week.now"), to(today)),
    h("h2", {}, range.formatRange(ms(days[0]), ms(days[6]))));
}
