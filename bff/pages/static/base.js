// What the scripts of every page need.

export const find = (id) => document.getElementById(id);
export const locale = document.documentElement.lang;

const TEXTS = JSON.parse(find("texts").textContent), plurals = new Intl.PluralRules(locale);

/** The text "part.name", its {places} filled in; undefined when there is none. `count` chooses the form of a plural. */
export function t(name, values = {}) {
	const found = name.split(".").reduce((texts, part) => texts?.[part], TEXTS);
	const form = found?.other ? found[plurals.select(values.count)] ?? found.other : found;
	return form?.replace(/\{(\w+)\}/g, (_, place) => values[place]);
}

/** JSON in which what people wrote turns no line around. */
export const read = (text) => JSON.parse(text, (_, value) => value?.replace?.(/[\u202a-\u202e\u2066-\u2069]/g, "") ?? value);

/** The answer's JSON, with its `retryAfter` and `date`. Throws when there is none. */
export async function send(method, path, headers, body) {
	if (body) headers = { ...headers, "content-type": "application/json" };
	const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit", signal: AbortSignal.timeout(15_000) });
	const [retryAfter, date] = ["retry-after", "date"].map((name) => answer.headers.get(name));
	return { ...read(await answer.text()), retryAfter, date, status: answer.status };
}

export function clock(seconds) {
	const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
	return parts.slice(parts[0] ? 0 : 1).map((part, at) => at ? String(part).padStart(2, "0") : part).join(":");
}
