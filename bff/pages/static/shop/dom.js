// The page's elements. Text is always text: nothing here takes HTML.

import { explain } from "./texts.js";

export const at = (id) => document.getElementById(id);

/** h("button", { class: "button", onclick }, "Book"): an element with attributes, listeners and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.append(...children.flat(Infinity).filter(Boolean));
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

export const heading = (text) => h("h1", { tabindex: "-1" }, text);

/** `key` finds the button again when the page is drawn anew. */
export const button = (key, text, onclick, kind = "quiet") =>
  h("button", { type: "button", class: `button ${kind}`, "data-key": key, onclick }, text);

/** A link that looks like a button; nothing when the address is none of ours and none of the web. */
export const link = (key, text, href, more = {}) =>
  /^(https?:|#)/.test(href ?? "") && h("a", { href, class: "button quiet", "data-key": key, ...more }, text);

/** Replaces what is in the place. The focus stays on what has the same key, or goes to the heading. */
export function show(place, ...nodes) {
  const had = place.contains(document.activeElement) && document.activeElement;
  place.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  if (!had) return;
  const same = [...place.querySelectorAll("[data-key]")].find(({ dataset }) => dataset.key === had.dataset.key);
  (same ?? place.querySelector("h1"))?.focus({ preventScroll: true });
}

/** Tells it to screen readers. */
export function say(text) {
  at("said").textContent = text;
}

/** Opens a dialog of the page. `act` does what its pressed button says; what it throws is told in the dialog. */
export function openDialog(id, act) {
  const box = at(id), form = box.querySelector("form");
  form.reset();
  onSubmit(form, async (pressed) => { await act(pressed); box.close(); });
  box.showModal();
  return { box, fields: form.elements, part: (name) => box.querySelector(`[data-part="${name}"]`) };
}

/** Sends a form once at a time. `act` gets the value of the pressed button; "close" only closes the form's dialog. */
export function onSubmit(form, act) {
  const failed = form.querySelector("[role=alert]");
  failed.textContent = "";
  form.onsubmit = async (event) => {
    if (event.submitter?.value === "close") return;
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    failed.textContent = "";
    try {
      await act(event.submitter?.value);
    } catch (problem) {
      failed.textContent = explain(problem);
    }
    form.ariaBusy = "false";
  };
}
