// A tutor's working hours. The form is in the page.

import { find } from "../base.js";
import { ask, change } from "./api.js";
import { onSubmit, say, show } from "./dom.js";
import { placesOf, t, zone } from "./words.js";

const zones = [...new Set([zone, "UTC", ...Intl.supportedValuesOf("timeZone")])];
const DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const NEW = { listed: true, timezone: zone, weekly: [], rate: { decimal: "50.00", currency: "USD" } };

export async function hours({ place, signal, person }) {
	const { weekly, rate, ...mine } = (await ask("MyHours")).myAvailability ?? { ...NEW, displayName: person.name };
	if (signal.aborted) return;
	show(place, find("hours").content.cloneNode(true));
	const form = place.querySelector("form"), fields = form.elements, [saved] = form.querySelectorAll("[data-part=saved]");
	fields.timezone.append(...zones.sort().map((name) => new Option(name.replaceAll("_", " "), name)));
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
