// A tutor's working hours, as published. The form is in the page.

import { ask, change } from "./api.js";
import { at, h, onSubmit, say, show } from "./dom.js";
import { placesOf, t } from "./texts.js";
import { zone, zones } from "./time.js";

const DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
const NEW = { listed: true, timezone: zone, weekly: [], rate: { decimal: "50.00", currency: "USD" } };

/** `#hours`. */
export async function hours({ place, signal, person }) {
  const { weekly, rate, ...mine } = (await ask("MyHours")).myAvailability ?? { ...NEW, displayName: person.name };
  if (signal.aborted) return;
  show(place, at("hours").content.cloneNode(true));
  const form = place.querySelector("form"), fields = form.elements, numbers = [...form.querySelectorAll("[data-number]")];
  fields.timezone.append(...zones().map((name) => h("option", { value: name }, name.replaceAll("_", " "))));
  for (const [name, value] of Object.entries(mine)) fields[name].value = value ?? "";
  fields.listed.checked = mine.listed;
  fields.amount.value = rate.decimal;
  fields.currency.value = rate.currency;
  DAYS.forEach((day) => {
    fields[day].value = weekly.filter(({ weekday }) => weekday === day).map(({ start, end }) => `${start}-${end}`).join(", ");
  });
  const saved = form.querySelector("[data-part=saved]");
  onSubmit(form, async () => {
    saved.textContent = "";
    await change("PublishHours", { input: {
      displayName: fields.displayName.value.trim() || null, listed: fields.listed.checked, timezone: fields.timezone.value,
      rate: { amountMinor: Math.round(fields.amount.value * 10 ** placesOf(rate)), currency: rate.currency },
      weekly: DAYS.flatMap((day) => windows(day, fields[day].value)),
      ...Object.fromEntries(numbers.map(({ name, value }) => [name, Number(value)])),
    } });
    saved.textContent = t("hours.saved");
    say(saved.textContent);
  });
}

/** "09:00-12:00, 14:00-17:00" as windows of this day. */
const windows = (weekday, text) => text.split(",").filter((part) => part.trim()).map((part) => {
  const [start, end] = part.split("-").map((time) => time.trim());
  return { weekday, start, end };
});
