// <tutormesh-slots tutor="UUID" locale="de-AT" timezone="Europe/Vienna" duration="60">: a tutor's free times in any page.
// A chosen time is the event `tutormesh-slot`.
const QUERY = `query Slots($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!, $durationMinutes: Int!) {
	tutorAvailability(tutorId: $tutorId, from: $from, to: $to, durationMinutes: $durationMinutes) {
		start end price { amountMinor currency display decimal } } }`;
const WHY = { NOT_FOUND: "unknown", BAD_USER_INPUT: "unknown", RATE_LIMITED: "busy", OFFLINE: "offline" };
const DAY = 86_400_000, WEEK = [0, 1, 2, 3, 4, 5, 6].map((day) => day * DAY);
const { css, texts } = await (await fetch(new URL("slots.json", import.meta.url))).json(), sheet = new CSSStyleSheet();
sheet.replaceSync(css);

const make = (tag, attributes, ...children) => {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
	element.append(...children);
	return element;
};
const button = (text, onclick, attributes) => Object.assign(make("button", { type: "button", ...attributes }, text), { onclick });
const isUsable = (check) => (value) => { try { return value && check(value); } catch { return false; } };

customElements.define("tutormesh-slots", class extends HTMLElement {
	static observedAttributes = ["tutor", "locale", "timezone", "duration"];
	#week = 0; #chosen = ""; #asking; #isPlanned;
	#back = button("‹", () => this.#turn(-1)); #ahead = button("›", () => this.#turn(1));
	#range = make("h2", {}); #count = make("p", { role: "status" }); #terms = make("p", {}); #days = make("div", { class: "days", role: "group" });

	connectedCallback() {
		if (!this.shadowRoot) {
			const root = this.attachShadow({ mode: "open" });
			root.adoptedStyleSheets = [sheet];
			root.append(make("header", {}, this.#back, this.#range, this.#ahead), this.#days, make("footer", {}, this.#count, this.#terms));
			this.#days.onkeydown = (event) => this.#move(event);
		}
		this.#plan();
	}

	disconnectedCallback() { this.#asking?.abort(); }
	attributeChangedCallback() { this.#week = 0; this.#chosen = ""; this.#plan(); }

	#plan() { // attributes that change at once are one question
		if (!this.#isPlanned) queueMicrotask(() => { this.#isPlanned = false; if (this.isConnected) this.#load(); });
		this.#isPlanned = true;
	}

	#turn(by) { if (this.#week + by >= 0) { this.#week += by; this.#load(); } }

	#read() { // an attribute that nobody understands counts as not given
		const locales = [this.getAttribute("locale"), this.closest("[lang]")?.lang, navigator.language, "en"];
		this.locale = locales.find(isUsable(Intl.getCanonicalLocales));
		const zones = [this.getAttribute("timezone"), Intl.DateTimeFormat().resolvedOptions().timeZone];
		this.zone = zones.find(isUsable((timeZone) => new Intl.DateTimeFormat("en", { timeZone })));
		this.minutes = Math.trunc(this.getAttribute("duration")) || 60;
		this.texts = texts[this.locale.slice(0, 2).toLowerCase()] || texts.en;
	}

	#format(options, timeZone = this.zone) { return new Intl.DateTimeFormat(this.locale, { timeZone, ...options }); }

	#local(instant) { // what the zone's clocks show then, as if it were UTC
		return Date.parse(`${new Date(instant).toLocaleString("sv", { timeZone: this.zone }).replace(" ", "T")}Z`);
	}

	#midnight(day) { // the instant at which that day of the zone begins
		const guess = day - (this.#local(day) - day);
		return new Date(day - (this.#local(guess) - guess));
	}

	async #ask(first, signal) {
		const variables = { tutorId: this.getAttribute("tutor") || "", from: this.#midnight(first), to: this.#midnight(first + 7 * DAY), durationMinutes: this.minutes };
		const body = JSON.stringify({ query: QUERY, variables }), request = { method: "POST", credentials: "omit", signal, headers: { "content-type": "application/json" }, body };
		const answer = await fetch(new URL("/graphql", import.meta.url), request).catch(() => { throw { code: "OFFLINE" }; });
		const { data, errors } = await answer.json();
		if (errors) throw { code: errors[0].extensions?.code, wait: answer.headers.get("retry-after") };
		return data.tutorAvailability;
	}

	async #load() {
		this.#read();
		this.#asking?.abort();
		const { signal } = this.#asking = new AbortController(), first = Math.floor(this.#local(Date.now()) / DAY + this.#week * 7) * DAY;
		this.#frame(first);
		try {
			const slots = await this.#ask(first, signal);
			if (!signal.aborted) this.#show(first, slots);
		} catch ({ code, wait }) {
			if (signal.aborted) return;
			const why = WHY[code] ?? "failed", again = button(this.texts.again, () => this.#load());
			this.#note(this.texts[why].replace("{n}", wait || 1), ...why === "unknown" ? [] : [again]);
		}
	}

	#frame(first) {
		this.#range.textContent = this.#format({ day: "numeric", month: "long" }, "UTC").formatRange(first, first + 6 * DAY);
		this.#days.ariaLabel = this.#range.textContent;
		this.#back.ariaLabel = this.texts.back;
		this.#ahead.ariaLabel = this.texts.ahead;
		this.#back.ariaDisabled = String(!this.#week);
		const zone = this.#format({ timeZoneName: "longGeneric" }).formatToParts(first).find(({ type }) => type === "timeZoneName");
		this.#terms.textContent = `${zone.value} (${this.zone.replaceAll("_", " ")})`;
		this.#note(this.texts.wait);
	}

	#note(text, ...more) {
		this.#days.replaceChildren(make("div", { class: "note" }, make("p", {}, text), ...more));
		this.#count.textContent = text;
	}

	#show(first, slots) {
		if (!slots.length) return this.#note(this.texts.none);
		const [{ price }] = slots, places = (price.decimal.split(".")[1] ?? "").length; // browsers know other ones
		const number = (options, value) => new Intl.NumberFormat(this.locale, options).format(value);
		const amount = number({ style: "currency", currency: price.currency, minimumFractionDigits: places, maximumFractionDigits: places }, price.decimal);
		const length = number({ style: "unit", unit: "minute", unitDisplay: "long" }, this.minutes);
		this.#count.textContent = [this.texts.count.replace("{n}", slots.length), length, price.amountMinor ? amount : this.texts.free].join(" · ");
		this.#days.replaceChildren(...WEEK.map((ahead) => this.#day(first + ahead, slots)));
		this.#times[0].tabIndex = 0;
	}

	#day(day, slots) {
		const name = this.#format({ weekday: "short", day: "numeric", month: "short" }, "UTC").format(day);
		const times = slots.filter(({ start }) => Math.floor(this.#local(start) / DAY) * DAY === day);
		return make("section", { "aria-label": name }, make("h3", {}, name), make("ol", {}, ...times.map((slot) => this.#time(slot))));
	}

	#time(slot) {
		const write = (options) => this.#format({ timeStyle: "short", ...options }).format(new Date(slot.start));
		const attributes = { part: "time", tabindex: -1, "aria-pressed": slot.start === this.#chosen, "aria-label": write({ dateStyle: "full" }) };
		return make("li", {}, button(write(), ({ currentTarget }) => this.#choose(slot, currentTarget), attributes));
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
		const times = this.#times, at = times.indexOf(event.target), onward = getComputedStyle(this).direction === "rtl" ? -1 : 1;
		const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: times.length - 1, ArrowRight: at + onward, ArrowLeft: at - onward };
		const wanted = at >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey && times[steps[event.key]];
		if (wanted) { event.preventDefault(); this.#enter(wanted); }
	}
});
