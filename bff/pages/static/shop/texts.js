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

/** How many minor units one unit has: 100 of USD, 1 of JPY. The API counts ariary whole. */
export const unitsOf = (currency) => currency === "MGA" ? 1
  : 10 ** new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;

/** 5000 minor units of USD, as the locale writes them. */
export const money = ({ amountMinor, currency }) =>
  new Intl.NumberFormat(locale, { style: "currency", currency }).format(amountMinor / unitsOf(currency));

/** Why something was refused, in words. What is no refusal is a fault of this page. */
export function explain({ code, message, retryAfter, stack }) {
  if (!code) console.error(stack);
  return t(`problems.${code}`, { count: retryAfter || 1 }) ?? (code ? message : t("problems.INTERNAL"));
}

/** Names of people by their ids. An app asks its user service. */
export const names = new Map();
export const nameOf = (id) => names.get(id) ?? t("unnamed", { id: id.slice(0, 8) });
