// The page's elements. Text is always text: nothing here takes HTML.

import { find } from "../base.js";
import { explain, t } from "./words.js";

/** h("button.quiet", { onclick }, "Book"): classes, attributes, listeners and children are optional. */
export function h(name, ...children) {
	const [tag, ...classes] = name.split("."), element = document.createElement(tag);
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	if (classes.length) element.className = classes.join(" ");
	element.append(...children.flat(Infinity).filter(Boolean));
	for (const [key, value] of Object.entries(attributes)) {
		if (key.startsWith("on")) element[key] = value;
		else if (value != null && value !== false) element.setAttribute(key, value === true ? "" : value);
	}
	return element;
}

export const heading = (text) => h("h1", { tabindex: "-1" }, text);

/** `key` finds the button again when the page is drawn anew. */
export const button = (key, text, onclick, kind = "quiet") => h("button", { type: "button", class: `button ${kind}`, "data-key": key, onclick }, text);

/** A link that looks like a button; nothing when the address is none of ours and none of the web. */
export const link = (key, text, href, more = {}) =>
	/^(https?:|#)/.test(href ?? "") && h("a", { href, class: "button quiet", "data-key": key, ...more }, text);

export const joinLink = (id, session, more) =>
	link(`join-${id}`, t("lessons.join"), session?.meetingLink, { target: "_blank", rel: "noopener noreferrer", ...more });

/** Replaces what is in the place. The focus stays on what has the same key, or goes to the heading. */
export function show(place, ...nodes) {
	const had = place.contains(document.activeElement) && document.activeElement;
	place.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
	if (!had) return;
	const same = [...place.querySelectorAll("[data-key]")].find(({ dataset }) => dataset.key === had.dataset.key);
	(same ?? place.querySelector("h1"))?.focus({ preventScroll: true });
}

/** One more zone in which times can be shown. */
export const offerZone = (id) => find(id) ?? find("zone").add(Object.assign(zoneOption(id), { id }));
export const zoneOption = (name) => new Option(name.replaceAll("_", " "), name);

export const say = (text) => { find("said").textContent = text; };

export function openDialog(id, act) {
	const box = find(id), form = box.querySelector("form");
	form.reset();
	onSubmit(form, async (pressed) => { await act(pressed); box.close(); });
	box.showModal();
	return { box, fields: form.elements, part: (name) => box.querySelector(`[data-part="${name}"]`) };
}

/** Sends a form once at a time. `act` gets the value of the pressed button; what it throws is told in the form. */
export function onSubmit(form, act) {
	const failed = form.querySelector("[role=alert]");
	failed.textContent = "";
	form.onsubmit = async (event) => {
		const pressed = event.submitter?.value;
		if (pressed === "close") return;
		event.preventDefault();
		if (form.ariaBusy === "true") return;
		form.ariaBusy = "true";
		failed.textContent = "";
		await act(pressed).catch((problem) => { failed.textContent = explain(problem); });
		form.ariaBusy = "false";
	};
}
