// Times in the reader's zone, which can be another one than the computer's. A day is a text: "2030-01-31".

import { locale } from "./texts.js";

const DAY = 86_400_000, HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const CLOCK = { hour: "numeric", minute: "2-digit" };
export let zone;

/** From now on times are in this zone; in the computer's when there is no such zone. */
export function setZone(name) {
  try {
    zone = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    zone = HERE;
  }
  localStorage.setItem("zone", zone);
}

setZone(localStorage.getItem("zone") ?? HERE);

export const zones = () => [...new Set([HERE, zone, "UTC", ...Intl.supportedValuesOf("timeZone")])].sort();

/** An instant in milliseconds. */
export const ms = (instant) => new Date(instant).getTime();

/** An instant as people of the zone write it. `style` is what Intl.DateTimeFormat takes. */
export const write = (instant, style, timeZone = zone) =>
  new Intl.DateTimeFormat(locale, { timeZone, ...style }).format(new Date(instant));

export const time = (instant, timeZone) => write(instant, CLOCK, timeZone);
export const longDay = (instant) => write(instant, { weekday: "long", day: "numeric", month: "long" });
export const moment = (instant, timeZone) => write(instant, { weekday: "short", day: "numeric", month: "short", ...CLOCK }, timeZone);

/** "Europe/Berlin (CET)": the zone, and the name of its time then. */
export function zoneName(instant, timeZone = zone) {
  const parts = new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: "short" }).formatToParts(new Date(instant));
  return `${timeZone.replaceAll("_", " ")} (${parts.find(({ type }) => type === "timeZoneName").value})`;
}

/** Start and end; on a day that the clocks change, with the name of the time. */
export function span(start, end) {
  const [begin, over] = [dayOf(start), addDays(dayOf(start), 1)].map(dayStart);
  const style = over - begin === DAY ? CLOCK : { ...CLOCK, timeZoneName: "short" };
  return `${write(start, style)}\u00a0– ${write(end, style)}`;
}

/** What the zone's clock shows at this instant, as if it were UTC, in milliseconds. */
export function clock(instant) {
  const numbers = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone, hourCycle: "h23", ...numbers }).formatToParts(new Date(instant));
  const { year, month, day, hour, minute } = Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(year, month - 1, day, hour, minute);
}

/** The instant, in milliseconds, at which the clock shows "2030-01-31T09:00". What the clocks skip is an hour later. */
export function instant(shown) {
  const asUtc = Date.parse(`${shown}Z`);
  const [before, after] = [asUtc - DAY, asUtc + DAY].map((near) => asUtc - (clock(near) - near));
  return [before, after].find((found) => clock(found) === asUtc) ?? before;
}

export const local = (instant) => new Date(clock(instant)).toISOString().slice(0, 16);
export const dayOf = (instant) => local(instant).slice(0, 10);
export const dayStart = (day) => instant(`${day}T00:00`);
export const addDays = (day, days) => new Date(ms(day) + days * DAY).toISOString().slice(0, 10);

/** The seven days of this day's week. The locale says with which it begins. */
export function weekOf(day) {
  const of = new Intl.Locale(locale);
  const first = (of.getWeekInfo?.() ?? of.weekInfo)?.firstDay ?? 1;
  const back = (new Date(day).getUTCDay() - first + 7) % 7;
  return [0, 1, 2, 3, 4, 5, 6].map((ahead) => addDays(day, ahead - back));
}
