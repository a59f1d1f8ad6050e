// The page to pay on. The server has drawn every state of it as a panel; this script shows the right one, counts down,
// and runs the payment form of Stripe.js, or of the sandbox's adapter in its place.

import { cameBack, ownQuery } from "./address.js";
import { Countdown, clock } from "./countdown.js";
import { ask } from "./link.js";
import { fill, readTexts } from "./texts.js";

// Nobody starts to pay when so little is left: the hold would end on the way.
const LAST_SECONDS = 10;
const ANNOUNCED_MINUTES = [10, 5, 2, 1];
const LATE_AFTER_MS = 60_000;
// Seconds between two looks, by panel. The last one repeats.
const LOOKS = {
  pay: [15],
  being_confirmed: [1, 1, 2, 3, 5, 5, 8, 8, 15, 30],
  over: [1, 2, 3, 5, 5, 10],
};
// The service asks the provider at most once in so many seconds, and a page so many times in all.
const REFRESH_MS = 5_500;
const MOST_REFRESHES = 12;
const PAID = ["succeeded", "processing", "requires_capture"];
const DECLINES = {
  card_declined: "card_declined",
  insufficient_funds: "insufficient_funds",
  authentication_required: "authentication_required",
  payment_intent_authentication_failure: "authentication_required",
  expired_card: "expired_card",
  incorrect_cvc: "incorrect_details",
  incorrect_number: "incorrect_details",
  incorrect_zip: "incorrect_details",
  invalid_expiry_month: "incorrect_details",
  invalid_expiry_year: "incorrect_details",
  processing_error: "processing_error",
};

const root = document.getElementById("checkout");
const outcome = document.getElementById("outcome");
const payButton = document.getElementById("pay");
const announcer = document.getElementById("announce");
const panels = [...outcome.querySelectorAll("[data-panel]")];
const texts = readTexts();
const payLabel = payButton?.textContent;

let state = null;
let shown = panels.find((panel) => !panel.hidden).dataset.panel;
let stripe, elements, element; // of the payment form
let isReady = false;
let isPaying = false;
let isPaid = false; // the provider says so; the services may not have heard yet
let failures = 0;
let looks = 0;
let refreshes = 0;
let refreshedAt = -Infinity;
let hurriedLooks = 0; // until the services have heard of a decline
let timer;
let confirmingSince = null;

const countdown = new Countdown(showTime);

// ---- what the services say ----

async function look({ refresh = false } = {}) {
  clearTimeout(timer);
  const askedAt = performance.now();
  const asksProvider = refresh && askedAt - refreshedAt > REFRESH_MS && refreshes < MOST_REFRESHES;
  if (asksProvider) {
    refreshes += 1;
    refreshedAt = askedAt;
  }
  try {
    const path = asksProvider ? "/links/checkout/refresh" : "/links/checkout";
    apply(await ask(asksProvider ? "POST" : "GET", path), askedAt);
    failures = 0;
  } catch (error) {
    failures += 1;
    if (error.status === 404) return; // the link is over: what the page says stays
    schedule(Math.max(error.retryAfter ?? 0, Math.min(shown === "pay" ? 30 : 8, 2 ** failures)));
    return;
  } finally {
    document.getElementById("connection").hidden = failures < 2;
  }
  schedule();
}

function schedule(seconds) {
  clearTimeout(timer);
  const delays = LOOKS[shown];
  if (!delays) return; // an end: nothing changes any more
  const usual = root.dataset.elsewhere ? 5 : delays[Math.min(looks, delays.length - 1)];
  const wait = seconds ?? (hurriedLooks > 0 ? 1 : usual);
  looks += 1;
  hurriedLooks -= 1;
  timer = setTimeout(() => {
    if (document.visibilityState === "hidden" && shown === "pay") return schedule();
    look({ refresh: shown !== "pay" });
  }, wait * 1000);
}

function apply(next, askedAt) {
  const before = state;
  state = next;
  if (next.attempts_left !== null && next.attempts_left < before?.attempts_left) isPaid = false; // it failed after all
  if (next.attempts_left !== before?.attempts_left) hurriedLooks = 0;
  countdown.set(next.seconds_left, askedAt);
  for (const link of outcome.querySelectorAll("[data-link]")) setLink(link, next[link.dataset.link]);
  for (const list of outcome.querySelectorAll("[data-free-times]")) setTimes(list, next.free_times);
  if (next.decline_reason && next.attempts_left !== null && next.attempts_left !== before?.attempts_left) {
    showProblem(texts[`decline_${next.decline_reason}`]);
  }
  showAttempts();
  update();
}

function setLink(link, url) {
  link.hidden = !url;
  if (url) link.href = url;
}

function setTimes(section, times) {
  section.hidden = times.length === 0;
  const items = times.map((time) => Object.assign(document.createElement("li"), { textContent: time.text }));
  section.querySelector("ul").replaceChildren(...items);
}

// ---- what the page shows ----

function currentPanel() {
  if (state.status !== "payment_required") return state.status;
  if (isPaid) return "being_confirmed";
  return countdown.left > 0 ? "pay" : "over";
}

function update() {
  if (state === null) return;
  const panel = currentPanel();
  if (panel !== shown) show(panel);
  if (panel === "pay") mountForm();
  else dropForm();
  if (panel === "being_confirmed") {
    confirmingSince ??= performance.now();
    const isLate = performance.now() - confirmingSince > LATE_AFTER_MS;
    outcome.querySelector("[data-late]").hidden = !isLate;
  }
  setPayable();
}

function show(panel) {
  const hadFocus = panels.some((one) => !one.hidden && one.contains(document.activeElement));
  for (const one of panels) one.hidden = one.dataset.panel !== panel;
  document.getElementById("policy").hidden = ["expired", "payment_failed", "cancelled", "completed"].includes(panel);
  shown = panel;
  looks = 0;
  const heading = document.getElementById(`${panel}-title`);
  document.title = `${heading.textContent.trim()}: ${document.getElementById("what").textContent}`;
  if (hadFocus || document.activeElement === document.body) heading.focus({ preventScroll: true });
  else announcer.textContent = heading.textContent;
}

function showTime(left) {
  const face = document.getElementById("countdown");
  face.textContent = clock(left);
  face.classList.toggle("soon", left <= 60);
  announceTime(Math.ceil(left));
  setPayable();
  if (left <= 0 && shown === "pay" && state?.status === "payment_required") {
    update();
    look();
  }
}

function announceTime(seconds) {
  if (shown !== "pay" || state === null) return;
  const minutes = seconds / 60;
  if (ANNOUNCED_MINUTES.includes(minutes)) announcer.textContent = fill(texts.time_left_minutes, { count: minutes });
  if (seconds === 30) announcer.textContent = fill(texts.time_left_seconds, { count: seconds });
  if (seconds === LAST_SECONDS) announcer.textContent = texts.too_late;
  document.getElementById("held").textContent = seconds <= LAST_SECONDS ? texts.too_late : texts.held;
}

function setPayable() {
  const elsewhere = document.getElementById("pay-elsewhere");
  if (elsewhere) elsewhere.hidden = countdown.left <= LAST_SECONDS;
  if (!payButton) return;
  payButton.disabled = !isReady || isPaying || countdown.left <= LAST_SECONDS;
  payButton.textContent = isPaying ? texts.paying : payLabel;
  payButton.setAttribute("aria-busy", String(isPaying));
}

// ---- the payment form ----

function mountForm() {
  if (element || !payButton || !state.client_secret) return;
  if (!window.Stripe) return showProblem(texts.form_failed);
  stripe = window.Stripe(root.dataset.key, { locale: document.documentElement.lang });
  elements = stripe.elements({ clientSecret: state.client_secret, appearance: appearance() });
  element = elements.create("payment");
  element.on("ready", () => {
    document.getElementById("loading").hidden = true;
    isReady = true;
    setPayable();
  });
  element.on("loaderror", () => showProblem(texts.form_failed));
  element.mount("#payment-element");
  checkIntent({ showsDecline: cameBack });
}

// After the end no page has a client secret.
function dropForm() {
  if (state) state.client_secret = null;
  if (!element || isPaying) return;
  element.destroy();
  stripe = elements = element = undefined;
  isReady = false;
}

function appearance() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    theme: isDark ? "night" : "stripe",
    variables: {
      colorPrimary: value("--accent"),
      colorBackground: value("--surface"),
      colorText: value("--ink"),
      colorDanger: value("--bad"),
      borderRadius: "6px",
    },
  };
}

async function pay(event) {
  event.preventDefault();
  if (payButton.disabled) return;
  isPaying = true;
  hideProblem();
  setPayable();
  try {
    const confirmParams = { return_url: location.origin + location.pathname + ownQuery };
    await settle(await stripe.confirmPayment({ elements, confirmParams, redirect: "if_required" }));
  } catch {
    await checkIntent({ isUnclear: true });
  } finally {
    isPaying = false;
    update();
  }
}

async function settle({ error, paymentIntent }) {
  if (paymentIntent) return noteIntent(paymentIntent, { showsDecline: true });
  if (error.type === "validation_error") return showProblem(texts.problem_form);
  if (error.type !== "card_error") return checkIntent({ isUnclear: true });
  showDecline(error);
  return look({ refresh: true });
}

// What the provider itself says of the intent: the services may not have heard yet.
async function checkIntent({ showsDecline = false, isUnclear = false } = {}) {
  const secret = state?.client_secret;
  if (!stripe || !secret) return isUnclear ? look({ refresh: true }) : undefined;
  let answer;
  try {
    answer = await stripe.retrievePaymentIntent(secret);
  } catch {
    answer = {};
  }
  if (answer.paymentIntent) return noteIntent(answer.paymentIntent, { showsDecline, isUnclear });
  if (isUnclear) showProblem(texts.problem_unclear);
  return isUnclear || showsDecline ? look({ refresh: true }) : undefined;
}

async function noteIntent(intent, { showsDecline = false, isUnclear = false } = {}) {
  if (PAID.includes(intent.status)) {
    isPaid = true;
    hideProblem();
    update();
    return look({ refresh: true });
  }
  const reason = intent.last_payment_error;
  if (reason && showsDecline) showDecline(reason);
  else if (isUnclear && intent.status !== "canceled") showProblem(texts.problem_network);
  if (isUnclear || (reason && showsDecline)) return look({ refresh: true });
}

// ---- what went wrong, in words ----

function showDecline(error) {
  const reason = DECLINES[error.decline_code] ?? DECLINES[error.code] ?? "other";
  showProblem(texts[`decline_${reason}`]);
  hurriedLooks = 5;
}

function showProblem(text) {
  document.getElementById("problem-text").textContent = text;
  document.getElementById("problem").hidden = false;
}

function hideProblem() {
  document.getElementById("problem").hidden = true;
  document.getElementById("attempts").textContent = "";
}

function showAttempts() {
  const attempts = document.getElementById("attempts");
  if (!attempts) return;
  const isCounted = state.decline_reason && state.attempts_left > 0;
  attempts.textContent = isCounted ? fill(texts.attempts_left, { count: state.attempts_left }) : "";
}

document.getElementById("payment-form")?.addEventListener("submit", pay);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && LOOKS[shown] && look());
addEventListener("online", () => LOOKS[shown] && look());
addEventListener("pageshow", (event) => event.persisted && LOOKS[shown] && look({ refresh: true }));
if (LOOKS[shown]) look({ refresh: cameBack || shown !== "pay" });
