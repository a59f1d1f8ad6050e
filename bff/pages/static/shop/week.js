// A week: days beside one another, equal times in one row. On a narrow screen days are below one another.

import { h, link } from "./dom.js";
import { addDays, dayStart, locale, minuteOf, ms, t, write } from "./words.js";

/** `make` makes an element of an item { start, end }, once for each day that it touches. A row is so many minutes. */
export function week(days, items, make, { today, none, minutes }) {
	const ordered = items.toSorted((one, other) => ms(one.start) - ms(other.start)), row = (at) => minuteOf(at) / minutes;
	return h("div.week", days.map((day) => {
		const begin = dayStart(day), over = dayStart(addDays(day, 1));
		const places = ordered.filter(({ start, end }) => ms(start) < over && ms(end) > begin).map((item) => {
			const place = h("li", make(item)), from = Math.floor(row(Math.max(begin, ms(item.start)))), to = Math.ceil(row(Math.min(over - 1, ms(item.end))));
			place.style.cssText = `--from: ${from + 1}; --to: ${to + 1}`;
			return place;
		});
		return h("section", { class: day < today ? "day gone" : "day", "aria-current": day === today && "date" },
			h("h3", h("span", write(day, { weekday: "short" }, "UTC")), " ", h("span", write(day, { day: "numeric", month: "short" }, "UTC"))),
			places.length ? h("ul", places) : h("p.soft.small", none));
	}));
}

/** The ways to other weeks. `to` gives the address of a day's week. */
export function weekBar(days, today, to) {
	const range = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
	const step = (name, ahead) => link(name, h(`span.arrow.${name}`), to(addDays(days[0], ahead)), { "aria-label": t(`week.${name}`) });
	return h("div.row", step("before", -7), step("behind", 7), link("now", t("week.now"), to(today)), h("h2", range.formatRange(ms(days[0]), ms(days[6]))));
}
