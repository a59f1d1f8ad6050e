// What is held and unpaid: how long still, and the ways to pay or to cancel.

import { ask, change, now } from "./api.js";
import { h, link, openDialog, say, show } from "./dom.js";
import { explain, money, t } from "./texts.js";
import { ms } from "./time.js";

/** The page to pay on takes no payment in the last seconds. */
const LAST_SECONDS = 10;
const TOLD_AT = [300, 60];

/** Counts down, and leads to the page to pay on. */
export const unpaid = ({ id, holdExpiresAt, checkoutUrl }, price) => holdExpiresAt && h("div", { class: "row" },
  link(`pay-${id}`, t("holds.pay", { price: money(price) }), checkoutUrl, { class: "button" }), countdown(holdExpiresAt));

export const countdown = (until) => h("span", { class: "number", role: "timer", "data-until": until }, remaining(until));

const secondsLeft = (until) => Math.max(0, Math.ceil((ms(until) - now()) / 1000));

function remaining(until) {
  const left = secondsLeft(until);
  return left ? t("holds.left", { time: `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` }) : t("holds.over");
}

setInterval(() => document.querySelectorAll("[data-until]").forEach((timer) => {
  const left = secondsLeft(timer.dataset.until);
  timer.textContent = remaining(timer.dataset.until);
  if (left <= LAST_SECONDS) timer.parentElement.querySelector("a")?.remove();
  if (TOLD_AT.includes(left)) say(timer.textContent);
}), 1000);

/** Asks whether to cancel this Lesson or Seat, and tells what goes back. */
export async function askToCancel(what, id, done) {
  let token = null;
  const { box, fields, part } = openDialog("cancel", async () => {
    try {
      await change(`Cancel${what}`, { id, token, reason: fields.reason.value.trim() || null });
    } catch (problem) {
      if (problem.code === "QUOTE_EXPIRED") await load();
      throw problem;
    }
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
