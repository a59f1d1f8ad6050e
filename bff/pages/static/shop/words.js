// Amounts and times as the reader's locale writes them, in the chosen zone. A day is a text: "2030-01-31".

import { locale, t } from "../base.js";

export { locale, t };

/** Browsers know others for some currencies. */
export const placesOf = ({ decimal }) => (decimal.split(".")[1] ?? "").length;

export function money(amount) {
	const { decimal, currency } = amount, places = placesOf(amount), digits = { minimumFractionDigits: places, maximumFractionDigits: places };
	return new Intl.NumberFormat(locale, { style: "currency", currency, ...digits }).format(decimal);
}

/** What is no refusal is a fault of this page. */
export function explain({ code, message, label, retryAfter, stack }) {
	if (!code) console.error(stack);
	return t(`problems.${code ?? "INTERNAL"}`, { count: retryAfter || 1, label }) ?? message;
}

/** An app asks its user service. */
export const names = new Map();
export const nameOf = (id) => names.get(id) ?? t("unnamed", { id: id.slice(0, 8) });

const DAY = 86_400_000, CLOCK = { hour: "numeric", minute: "2-digit" };
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
export let zone = ownZone;
export const showTimesIn = (name) => { zone = name; };

export const ms = (instant) => new Date(instant).getTime();

export const write = (instant, style, timeZone = zone) => new Intl.DateTimeFormat(locale, { timeZone, ...style }).format(new Date(instant));
export const time = (instant) => write(instant, CLOCK);
export const longDay = (instant) => write(instant, { weekday: "long", day: "numeric", month: "long" });
export const moment = (instant) => write(instant, { weekday: "short", day: "numeric", month: "short", ...CLOCK });

/** Start and end; on a day that the clocks change, with the name of the time. */
export function span(start, end) {
	const day = dayOf(start), style = dayStart(addDays(day, 1)) - dayStart(day) === DAY ? CLOCK : { ...CLOCK, timeZoneName: "short" };
	return `${write(start, style)}\u00a0– ${write(end, style)}`;
}

/** What the zone's clock shows, as if it were UTC, in milliseconds. Swedes write it as ISO 8601 does. */
const clock = (instant, timeZone = zone) => Date.parse(`${new Date(instant).toLocaleString("sv", { timeZone }).replace(" ", "T")}Z`);

/** The instant, in milliseconds, at which the clock shows "2030-01-31T09:00". What the clocks skip is an hour later. */
export function instant(shown, timeZone) {
	const asUtc = Date.parse(`${shown}Z`), [before, after] = [asUtc - DAY, asUtc + DAY].map((near) => asUtc - (clock(near, timeZone) - near));
	return [before, after].find((found) => clock(found, timeZone) === asUtc) ?? before;
}

export const minuteOf = (instant) => clock(instant) % DAY / 60_000;
export const dayOf = (instant) => new Date(clock(instant)).toISOString().slice(0, 10);
export const dayStart = (day) => instant(`${day}T00:00`);
export const addDays = (day, days) => new Date(ms(day) + days * DAY).toISOString().slice(0, 10);

export function weekOf(day) {
	const of = new Intl.Locale(locale), first = (of.getWeekInfo?.() ?? of.weekInfo)?.firstDay ?? 1;
	const back = (new Date(day).getUTCDay() - first + 7) % 7;
	return [0, 1, 2, 3, 4, 5, 6].map((ahead) => addDays(day, ahead - back));
}
