// A tutor's working hours, as published.

import { ask, change } from "./api.js";
import { at, button, h, onSubmit, say, show } from "./dom.js";
import { t, unitsOf } from "./texts.js";
import { write, zone, zones } from "./time.js";

const MINE = `{ myAvailability { displayName listed timezone minimumNoticeMinutes bufferMinutes shortestLessonMinutes longestLessonMinutes
  startEveryMinutes maximumDaysAhead weekly { weekday start end } rate { amountMinor currency } } }`;
const PUBLISH = "mutation ($input: PublishAvailabilityInput!) { publishAvailability(input: $input) { userErrors { code message } } }";
const DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const NEW = {
  displayName: "", listed: true, timezone: zone, minimumNoticeMinutes: 0, bufferMinutes: 0, shortestLessonMinutes: 15, longestLessonMinutes: 240,
  startEveryMinutes: 15, maximumDaysAhead: 365, weekly: [], rate: { amountMinor: 5000, currency: "USD" },
};
const NUMBERS = Object.keys(NEW).filter((name) => typeof NEW[name] === "number");

/** `#hours`. */
export async function hours({ place, signal, person }) {
  const { weekly, rate, ...mine } = (await ask(MINE)).myAvailability ?? { ...NEW, displayName: person.name };
  if (signal.aborted) return;
  show(place, at("hours").content.cloneNode(true));
  const form = place.querySelector("form"), fields = form.elements;
  fields.timezone.append(...zones().map((name) => h("option", { value: name }, name.replaceAll("_", " "))));
  for (const [name, value] of Object.entries(mine)) fields[name].value = value ?? "";
  fields.listed.checked = mine.listed;
  fields.amount.value = rate.amountMinor / unitsOf(rate.currency);
  fields.currency.value = rate.currency;
  const lists = DAYS.map((weekday, index) => day(weekday, Date.UTC(2024, 0, index + 1), weekly));
  form.querySelector("[data-part=days]").append(...lists);
  onSubmit(form, async () => {
    const input = { displayName: fields.displayName.value.trim() || null, listed: fields.listed.checked, timezone: fields.timezone.value };
    NUMBERS.forEach((name) => { input[name] = Number(fields[name].value); });
    const currency = fields.currency.value.toUpperCase();
    input.rate = { amountMinor: Math.round(fields.amount.value * unitsOf(currency)), currency };
    input.weekly = lists.flatMap((list) => [...list.querySelectorAll(".window")].map((one) => {
      const [start, end] = [...one.querySelectorAll("input")].map(({ value }) => value);
      return { weekday: list.dataset.day, start, end: end === "00:00" ? "24:00" : end };
    }));
    await change(PUBLISH, { input });
    say(t("hours.saved"));
    form.querySelector("[data-part=saved]").textContent = t("hours.saved");
  });
}

/** A day with its windows, and a button for one more. */
function day(weekday, date, weekly) {
  const name = write(date, { weekday: "long" }, "UTC"), windows = h("div", { class: "row" });
  const clock = (value, label) => h("input", { type: "time", required: true, value: value === "24:00" ? "00:00" : value, "aria-label": `${name}: ${label}` });
  const add = ({ start, end }) => {
    const remove = button("", "×", () => { one.remove(); more.focus(); }, "quiet compact");
    const one = h("span", { class: "window row" }, clock(start, t("hours.from")), "–", clock(end, t("hours.to")), remove);
    remove.ariaLabel = `${name}: ${t("hours.remove")}`;
    windows.append(one);
    return one;
  };
  const more = button("", "+", () => add({ start: "09:00", end: "17:00" }).querySelector("input").focus(), "quiet compact");
  more.ariaLabel = `${name}: ${t("hours.add")}`;
  weekly.filter((window) => window.weekday === weekday).forEach(add);
  return h("li", { class: "row", "data-day": weekday }, h("span", { class: "name" }, name), windows, more);
}
