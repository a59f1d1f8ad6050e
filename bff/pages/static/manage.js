// The page to manage a purchase: it follows what happens, and cancels in two steps, the quote first.

import { ask } from "./link.js";
import { fill, readTexts } from "./texts.js";

const texts = readTexts();
const find = (id) => document.getElementById(id);
const [dialog, status, start, confirm] = [find("quote"), find("status-title"), find("cancel-start"), find("quote-confirm")];
const person = find("manage").dataset.person;
const TONES = { confirmed: "good", completed: "good", payment_required: "warn", being_confirmed: "warn" };
const CHANGING = ["payment_required", "being_confirmed"];
const LOOK_SECONDS = [3, 5, 10, 20, 30, 60];

let quote = null;
let isCancelling = false;
let looks = 0;
let failures = 0;
let timer;

// ---- what the services say ----

async function look() {
  clearTimeout(timer);
  try {
    show(await ask("GET", "/links/purchase"));
    failures = 0;
  } catch (error) {
    failures += 1;
    if (error.status === 404) return;
    schedule();
  } finally {
    find("connection").hidden = failures < 2;
  }
}

function schedule() {
  clearTimeout(timer);
  const seconds = LOOK_SECONDS[Math.min(looks, LOOK_SECONDS.length - 1)];
  looks += 1;
  timer = setTimeout(() => (document.visibilityState === "hidden" ? schedule() : look()), seconds * 1000);
}

function show(purchase) {
  if (purchase.status !== status.dataset.status) {
    status.dataset.status = purchase.status;
    status.textContent = texts[`status_${purchase.status}`];
    status.className = `mark ${TONES[purchase.status] ?? "bad"}`;
    find("announce").textContent = status.textContent;
  }
  find("join").hidden = !purchase.meeting_link;
  if (purchase.meeting_link) setLink(find("join-link"), purchase.meeting_link);
  showRefund(purchase);
  find("cancel").hidden = find("policy").hidden = !purchase.is_cancellable;
  if (find("calendar")) find("calendar").hidden = purchase.status !== "confirmed";
  if (CHANGING.includes(purchase.status) || purchase.refund_state === "pending") schedule();
}

function setLink(link, url) {
  link.hidden = false;
  link.href = url;
}

function showRefund({ refund_state: state, refunded, refund_pending: pending }) {
  const amount = (state === "pending" ? pending : refunded)?.text ?? "";
  find("refund").hidden = state === "none";
  find("refund-text").textContent = fill(texts[`refund_${state}_${person}`], { amount });
}

// ---- cancelling ----

async function startCancelling() {
  say("cancel-problem", "");
  start.disabled = true;
  start.textContent = texts.cancel_asking;
  try {
    await showQuote();
    find("quote-problem").hidden = true;
    dialog.showModal();
    find("quote-title").focus();
  } catch (error) {
    say("cancel-problem", error.code === "NOT_CANCELLABLE" ? texts.problem_not_cancellable : texts.problem_try_again);
    look();
  } finally {
    start.disabled = false;
    start.textContent = texts.cancel_start;
  }
}

async function showQuote() {
  quote = await ask("GET", "/links/purchase/quote");
  const isSomething = Number(quote.refund?.amount) > 0;
  const values = { amount: quote.refund?.text ?? "", percent: quote.percent };
  find("quote-text").textContent = fill(texts[`${isSomething ? "quote" : "quote_nothing"}_${person}`], values);
}

async function cancel(event) {
  event.preventDefault();
  if (isCancelling) return;
  setCancelling(true);
  say("quote-problem", "");
  try {
    await ask("POST", "/links/purchase/cancel", { quote_token: quote.quote_token, reason: find("reason").value.trim() });
    dialog.close();
    looks = 0;
    await look();
    status.focus();
    find("announce").textContent = texts.cancelled_now;
  } catch (error) {
    await explain(error);
  } finally {
    setCancelling(false);
  }
}

async function explain(error) {
  if (error.code === "NOT_CANCELLABLE") {
    dialog.close();
    say("cancel-problem", texts.problem_not_cancellable);
    return look();
  }
  try {
    if (error.code === "QUOTE_EXPIRED") await showQuote();
    say("quote-problem", error.code === "QUOTE_EXPIRED" ? texts.problem_changed : texts.problem_try_again);
  } catch {
    say("quote-problem", texts.problem_try_again);
  }
}

function setCancelling(is) {
  isCancelling = is;
  confirm.disabled = find("quote-keep").disabled = is;
  confirm.textContent = is ? texts.cancelling : texts.quote_confirm;
}

function say(id, text) {
  find(id).textContent = text;
  find(id).hidden = !text;
}

start.disabled = false;
start.addEventListener("click", startCancelling);
find("quote-form").addEventListener("submit", cancel);
find("quote-keep").addEventListener("click", () => dialog.close());
dialog.addEventListener("cancel", (event) => isCancelling && event.preventDefault());
dialog.addEventListener("close", () => !isCancelling && start.focus());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
look();
