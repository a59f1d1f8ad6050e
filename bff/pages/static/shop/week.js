// A week: days beside one another, on a narrow screen below one another.

import { h, link } from "./dom.js";
import { addDays, dayStart, locale, ms, t, write } from "./words.js";

/** `make` makes an element of an item { start, end }, once for each day that it touches. */
export function week(days, items, make, { today, none }) {
	const ordered = items.toSorted((one, other) => ms(one.start) - ms(other.start));
	return h("div.week", days.map((day) => {
		const begin = dayStart(day), over = dayStart(addDays(day, 1)), its = ordered.filter(({ start, end }) => ms(start) < over && ms(end) > begin);
		return h("section", { class: day < today ? "day gone" : "day", "aria-current": day === today && "date" },
			h("h3", h("span", write(day, { weekday: "short" }, "UTC")), " ", h("span", write(day, { day: "numeric", month: "short" }, "UTC"))),
			its.length ? h("ul", its.map((item) => h("li", make(item)))) : h("p.soft.small", none));
	}));
}

/** The ways to other weeks. `to` gives the address of a day's week. */
export function weekBar(days, today, to) {
	const range = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
	const step = (name, ahead) => link(name, h(`span.arrow.${name}`), to(addDays(days[0], ahead)), { "aria-label": t(`week.${name}`) });
	return h("div.row", step("before", -7), step("behind", 7), link("now", t("week.now"), to(today)), h("h2", range.formatRange(ms(days[0]), ms(days[6]))));
}
