// The texts of the page, in the reader's language, and how the reader's locale writes amounts.

const TEXTS = JSON.parse(document.getElementById("texts").textContent);
export const locale = document.documentElement.lang;
const plurals = new Intl.PluralRules(locale);

/** The text "part.name", its {places} filled in; undefined when there is none. `count` chooses the form of a plural. */
export function t(name, values = {}) {
  const found = name.split(".").reduce((texts, part) => texts?.[part], TEXTS);
  const form = found?.other ? found[plurals.select(values.count)] ?? found.other : found;
  return form?.replace(/\{(\w+)\}/g, (_, place) => values[place]);
}

/** The decimal places of an amount: 2 of "50.00". Browsers know others than the API for some currencies. */
export const placesOf = ({ decimal }) => (decimal.split(".")[1] ?? "").length;

/** An amount as the locale writes it. */
export function money(amount) {
  const { decimal, currency } = amount, places = placesOf(amount);
  const digits = { minimumFractionDigits: places, maximumFractionDigits: places };
  return new Intl.NumberFormat(locale, { style: "currency", currency, ...digits }).format(decimal);
}

/** Why something was refused, in words. What is no refusal is a fault of this page. */
export function explain({ code, message, retryAfter, stack }) {
  if (!code) console.error(stack);
  return t(`problems.${code}`, { count: retryAfter || 1 }) ?? (code ? message : t("problems.INTERNAL"));
}

/** Names of people by their ids. An app asks its user service. */
export const names = new Map();
export const nameOf = (id) => names.get(id) ?? t("unnamed", { id: id.slice(0, 8) });
