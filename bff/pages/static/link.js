// What the pages of a purchase share. They ask as whoever holds the page's link. Its token travels in a header: no
// address, cookie or log has it.

import { find, locale, send } from "./base.js";

const headers = { "Link-Token": location.pathname.split("/")[2], "Accept-Language": locale, "Time-Zone": Intl.DateTimeFormat().resolvedOptions().timeZone };

/** The answer's data. Throws { status, code, retryAfter } when it refuses. */
export async function ask(method, path, body) {
	const { status, success, data, error, retryAfter } = await send(method, path, headers, body);
	if (!success) throw { ...error, status, retryAfter };
	if (data.times) showTimes(data.times);
	return data;
}

/** An order without a zone is told in the viewer's. */
function showTimes({ policy, ...words }) {
	for (const [name, text] of Object.entries(words)) document.querySelector(`[data-times=${name}]`).textContent = text;
	document.querySelectorAll("#policy li").forEach((line, at) => { line.textContent = policy[at] ?? ""; });
}

export function setLink(link, url) {
	link.hidden = !url;
	if (url) link.href = url;
}

/** A function that reads again and again. `pauses()`: the seconds between, of which the last repeats; none at an end. */
export function follow(read, pauses) {
	let looks = 0, failures = 0, timer;
	async function look(...asked) {
		clearTimeout(timer);
		let pause;
		try {
			await read(...asked);
			failures = 0;
		} catch (error) {
			if (error.status === 404) return; // the link is over: what the page says stays
			failures += 1;
			pause = Math.max(error.retryAfter ?? 0, Math.min(8, 2 ** failures));
		}
		find("connection").hidden = failures < 2;
		clearTimeout(timer);
		const usual = pauses();
		if (usual) timer = setTimeout(() => document.hidden || look(), (pause ?? usual[Math.min(looks++, usual.length - 1)]) * 1000);
	}
	const lookAgain = () => document.hidden || !pauses() || look();
	document.addEventListener("visibilitychange", lookAgain);
	addEventListener("online", lookAgain);
	addEventListener("pageshow", ({ persisted }) => persisted && lookAgain());
	return Object.assign(look, { hurry: () => { looks = 0; } });
}
