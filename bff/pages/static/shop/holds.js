// What is held and unpaid: how long still, and the ways to pay or to cancel.

import { clock } from "../base.js";
import { ask, change, now } from "./api.js";
import { h, link, openDialog, say, show } from "./dom.js";
import { explain, money, ms, t } from "./words.js";

const LAST_SECONDS = 10; // the page to pay on takes no payment then

export const payLink = ({ id, checkoutUrl }, price) => link(`pay-${id}`, t("holds.pay", { price: money(price) }), checkoutUrl, { class: "button" });

export const countdown = (until) => h("span.number", { role: "timer", "data-until": until }, remaining(secondsLeft(until)));

const secondsLeft = (until) => Math.max(0, Math.ceil((ms(until) - now()) / 1000));
const remaining = (seconds) => seconds ? t("holds.left", { time: clock(seconds) }) : t("holds.over");

setInterval(() => document.querySelectorAll("[data-until]").forEach((timer) => {
	const left = secondsLeft(timer.dataset.until);
	timer.textContent = remaining(left);
	if (left <= LAST_SECONDS) timer.nextElementSibling?.querySelector("a")?.remove();
}), 1000);

/** Asks whether to cancel this Lesson or Seat, and tells what goes back. */
export async function askToCancel(what, id, done) {
	let token = null;
	const { box, fields, part } = openDialog("cancel", async () => {
		await change(`Cancel${what}`, { id, token, reason: fields.reason.value.trim() || null }).catch(async (problem) => {
			if (problem.code === "QUOTE_EXPIRED") await load();
			throw problem;
		});
		say(t("cancel.done"));
		done();
	});
	part("title").textContent = t(`cancel.${what}`);
	fields.sure.disabled = true;
	show(part("refund"), t("loading"));
	await load().catch((problem) => show(part("refund"), explain(problem)));

	async function load() {
		const { quote } = await ask(`${what}Quote`, { id });
		token = quote.token;
		show(part("refund"), quote.refund.amountMinor ? t("cancel.refund", { refund: money(quote.refund), percent: quote.percent }) : t("cancel.nothing"));
		fields.sure.disabled = !box.open;
	}
}
