// <tutormesh-slots tutor="UUID" locale="de-AT" timezone="Europe/Vienna" duration="60">: a tutor's free times in any page.
// It reads the public GraphQL of the origin that serves this script. A chosen time is the event `tutormesh-slot`, whose
// detail is {tutor, start, end, price}. Without an attribute, the page's language and the reader's own zone count.
const API = new URL("/graphql", import.meta.url);
const QUERY = `query Slots($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!, $durationMinutes: Int!) {
  tutorAvailability(tutorId: $tutorId, from: $from, to: $to, durationMinutes: $durationMinutes) {
    start end price { amountMinor currency display decimal } } }`;
const DAY = 86400000;
const TEXTS = {
  en: { back: "Previous week", ahead: "Next week", wait: "Looking for free times …", none: "No free times in this week.",
    count: "Free times: {n}", free: "Free of charge", again: "Try again", failed: "The free times cannot be shown just now.",
    unknown: "This tutor takes no bookings here." },
  de: { back: "Vorige Woche", ahead: "Nächste Woche", wait: "Freie Zeiten werden gesucht …", none: "In dieser Woche ist nichts frei.",
    count: "Freie Zeiten: {n}", free: "Kostenlos", again: "Noch einmal", failed: "Die freien Zeiten lassen sich gerade nicht zeigen.",
    unknown: "Bei dieser Lehrkraft kann man hier nicht buchen." },
};
// A page's style-src does not rule constructed sheets: a strict policy need not allow this one.
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
:host { display: block; container-type: inline-size; --tone: var(--tutormesh-accent, light-dark(#0c6157, #6fcdbd)) }
:host([hidden]) { display: none }
header, footer { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; justify-content: space-between }
header { flex-wrap: nowrap } footer, h3 { font-size: .875em }
h2, h3, p, ol { margin: 0; padding: 0; list-style: none; font-weight: 600 } h2 { font-size: 1.0625em } p, ol { font-weight: 400 }
button { font: inherit; color: inherit; background: none; border: 1px solid; border-radius: .375rem; min-block-size: 2.5rem;
  min-inline-size: 2.5rem; cursor: pointer; border-color: color-mix(in srgb, currentcolor 50%, transparent) }
button:hover { border-color: var(--tone); box-shadow: inset 0 0 0 1px var(--tone) }
button:focus-visible { outline: 3px solid var(--tone); outline-offset: 1px }
[aria-pressed=true] { background: var(--tone); color: var(--tutormesh-on-accent, light-dark(#fff, #06221e)) }
[aria-disabled=true] { opacity: .4; cursor: default }
.days { block-size: 24rem; overflow: auto; padding: 4px; margin-block: .5rem; display: grid; gap: .5rem; align-content: start }
h3 { position: sticky; inset-block-start: -4px; padding-block: .25rem; background: var(--tutormesh-surface, Canvas) }
ol { display: grid; gap: .375rem; grid-template-columns: repeat(auto-fill, minmax(5.5rem, 1fr)) } li button { inline-size: 100% }
section:not(:has(li)) { display: none } .note { display: grid; gap: 1rem; place-content: center; min-block-size: 22rem }
@container (min-width: 40rem) {
  .days { grid-template-columns: repeat(7, minmax(0, 1fr)) } h3 { text-align: center } .note { grid-column: 1 / -1 }
  ol { grid-template-columns: 1fr } section:not(:has(li)) { display: block; opacity: .65 } }`);

const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const button = (text, act, attributes = {}) => {
  const made = make("button", { type: "button", ...attributes }, text);
  made.onclick = act;
  return made;
};
const usable = (value, check) => { try { return value && check(value) && value; } catch { return null; } };

customElements.define("tutormesh-slots", class extends HTMLElement {
  static observedAttributes = ["tutor", "locale", "timezone", "duration"];
  #week = 0; #chosen = ""; #asking; #planned = false;
  #back = button("‹", () => this.#turn(-1)); #ahead = button("›", () => this.#turn(1));
  #range = make("h2", {}); #count = make("p", { role: "status" }); #terms = make("p", {});
  #days = make("div", { class: "days", role: "group" });

  connectedCallback() {
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [SHEET];
      root.append(make("header", {}, this.#back, this.#range, this.#ahead), this.#days, make("footer", {}, this.#count, this.#terms));
      this.#days.onkeydown = (event) => this.#move(event);
    }
    this.#plan();
  }

  disconnectedCallback() { this.#asking?.abort(); }
  attributeChangedCallback() { this.#week = 0; this.#chosen = ""; this.#plan(); }

  #plan() { // attributes that change at once are one question
    if (!this.#planned) queueMicrotask(() => { this.#planned = false; if (this.isConnected) this.#load(); });
    this.#planned = true;
  }

  #turn(by) { if (this.#week + by >= 0) { this.#week += by; this.#load(); } }

  #read() { // an attribute that nobody understands counts as not given
    const page = this.closest("[lang]")?.lang || navigator.language;
    this.locale = usable(this.getAttribute("locale"), Intl.getCanonicalLocales) || usable(page, Intl.getCanonicalLocales) || "en";
    this.zone = usable(this.getAttribute("timezone"), (timeZone) => new Intl.DateTimeFormat("en", { timeZone }))
      || Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.minutes = Math.trunc(this.getAttribute("duration")) || 60;
    this.texts = TEXTS[this.locale.slice(0, 2).toLowerCase()] || TEXTS.en;
  }

  #say(instant, options, timeZone = this.zone) { return new Intl.DateTimeFormat(this.locale, { timeZone, ...options }).format(instant); }

  #local(instant) { // what the zone's clocks show then, counted as if it were UTC
    return Date.parse(`${new Date(instant).toLocaleString("sv", { timeZone: this.zone }).replace(" ", "T")}Z`);
  }

  #midnight(day) { // the instant at which that day of the zone begins
    const guess = day - (this.#local(day) - day);
    return day - (this.#local(guess) - guess);
  }

  async #load() {
    this.#read();
    this.#asking?.abort();
    const { signal } = this.#asking = new AbortController();
    const first = Math.floor(this.#local(Date.now()) / DAY + this.#week * 7) * DAY;
    this.#frame(first);
    try {
      const [from, to] = [first, first + 7 * DAY].map((day) => new Date(this.#midnight(day)).toISOString());
      const variables = { tutorId: this.getAttribute("tutor") || "", from, to, durationMinutes: this.minutes };
      const body = JSON.stringify({ query: QUERY, variables }), headers = { "content-type": "application/json" };
      const { data, errors } = await (await fetch(API, { method: "POST", credentials: "omit", signal, headers, body })).json();
      if (errors) throw errors[0];
      if (!signal.aborted) this.#show(first, data.tutorAvailability);
    } catch ({ extensions }) {
      if (signal.aborted) return;
      const isUnknown = ["NOT_FOUND", "BAD_USER_INPUT"].includes(extensions?.code);
      if (isUnknown) this.#note(this.texts.unknown);
      else this.#note(this.texts.failed, button(this.texts.again, () => this.#load()));
    }
  }

  #frame(first) { // what does not wait for the times
    const format = new Intl.DateTimeFormat(this.locale, { timeZone: "UTC", day: "numeric", month: "long" });
    this.#range.textContent = format.formatRange(first, first + 6 * DAY);
    this.#days.setAttribute("aria-label", this.#range.textContent);
    this.#back.ariaLabel = this.#back.title = this.texts.back;
    this.#ahead.ariaLabel = this.#ahead.title = this.texts.ahead;
    this.#back.setAttribute("aria-disabled", !this.#week);
    const zone = new Intl.DateTimeFormat(this.locale, { timeZone: this.zone, timeZoneName: "longGeneric" }).formatToParts(first);
    this.#terms.textContent = `${zone.find(({ type }) => type === "timeZoneName").value} (${this.zone.replaceAll("_", " ")})`;
    this.#note(this.texts.wait);
  }

  #note(text, ...more) {
    this.#days.replaceChildren(make("div", { class: "note" }, make("p", {}, text), ...more));
    this.#count.textContent = text;
  }

  #show(first, slots) {
    if (!slots.length) return this.#note(this.texts.none);
    const { price } = slots[0], places = (price.decimal.split(".")[1] ?? "").length; // browsers know other ones
    const amount = new Intl.NumberFormat(this.locale, { style: "currency", currency: price.currency,
      minimumFractionDigits: places, maximumFractionDigits: places }).format(price.decimal);
    const length = new Intl.NumberFormat(this.locale, { style: "unit", unit: "minute", unitDisplay: "long" }).format(this.minutes);
    const count = this.texts.count.replace("{n}", slots.length);
    this.#count.textContent = `${count} · ${length} · ${price.amountMinor ? amount : this.texts.free}`;
    this.#days.replaceChildren(...[0, 1, 2, 3, 4, 5, 6].map((number) => this.#day(first + number * DAY, slots)));
    this.#times[0].tabIndex = 0;
  }

  #day(day, slots) {
    const name = this.#say(day, { weekday: "short", day: "numeric", month: "short" }, "UTC");
    const times = slots.filter(({ start }) => Math.floor(this.#local(start) / DAY) * DAY === day);
    return make("section", { "aria-label": name }, make("h3", {}, name), make("ol", {}, ...times.map((slot) => this.#time(slot))));
  }

  #time(slot) {
    const start = new Date(slot.start), attributes = { part: "time", tabindex: -1, "aria-pressed": slot.start === this.#chosen,
      "aria-label": this.#say(start, { dateStyle: "full", timeStyle: "short" }) };
    return make("li", {}, button(this.#say(start, { timeStyle: "short" }), ({ currentTarget }) => this.#choose(slot, currentTarget), attributes));
  }

  get #times() { return [...this.#days.querySelectorAll("li button")]; }

  #choose({ start, end, price }, chosen) {
    this.#chosen = start;
    for (const each of this.#times) each.ariaPressed = String(each === chosen);
    this.#enter(chosen);
    const detail = { tutor: this.getAttribute("tutor"), start, end, price };
    this.dispatchEvent(new CustomEvent("tutormesh-slot", { bubbles: true, composed: true, detail }));
  }

  #enter(wanted) { // all times are one stop of the Tab key; arrows move within it
    for (const each of this.#times) each.tabIndex = each === wanted ? 0 : -1;
    wanted.focus();
  }

  #move(event) {
    const times = this.#times, here = event.target, at = times.indexOf(here), onward = getComputedStyle(this).direction === "rtl" ? -1 : 1;
    const days = [...this.#days.querySelectorAll("ol:has(li)")], day = days.indexOf(here.closest("ol"));
    const aside = (by) => days[day + by]?.children[Math.min([...days[day].children].indexOf(here.parentNode), days[day + by].children.length - 1)].firstChild;
    const steps = { ArrowDown: () => times[at + 1], ArrowUp: () => times[at - 1], Home: () => times[0], End: () => times.at(-1),
      ArrowRight: () => aside(onward), ArrowLeft: () => aside(-onward) };
    const wanted = at >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey && steps[event.key]?.();
    if (wanted) { event.preventDefault(); this.#enter(wanted); }
  }
});
