// The page to pay on. The server has drawn every state of it as a panel; this shows the right one, and runs the payment form.

import { cameBack, ownQuery } from "./address.js";
import { clock, find, t } from "./base.js";
import { ask, follow, setLink } from "./link.js";

const LAST_SECONDS = 10; // nobody starts to pay when so little is left
/** Seconds between two looks, by panel. The other panels are ends. */
const LOOKS = { pay: [15], being_confirmed: [1, 1, 2, 3, 5, 5, 8, 8, 15, 30], over: [1, 2, 3, 5, 5, 10] };
const PAID = ["succeeded", "processing", "requires_capture"];

const root = find("checkout"), outcome = find("outcome"), payButton = find("pay"), elsewhere = find("pay-elsewhere"), announcer = find("announce");
const panels = [...outcome.querySelectorAll("[data-panel]")], payLabel = payButton?.textContent;

let state, shown = panels.find((panel) => !panel.hidden).dataset.panel;
let stripe, elements, element, isReady, isChecked, isPaying; // of the payment form
let isPaid; // as the provider says
let hurriedLooks = 0, isNews; // something that payment should ask about

const pauses = () => LOOKS[shown] && (hurriedLooks-- > 0 ? [1] : root.dataset.elsewhere ? [5] : LOOKS[shown]);

const look = follow(async (hasNews) => {
	isNews ||= hasNews;
	const askedAt = performance.now(), next = await (isNews ? ask("POST", "/links/checkout/refresh") : ask("GET", "/links/checkout"));
	isNews = false;
	apply(next, askedAt);
}, pauses);

function apply(next, askedAt) {
	const isCounted = next.attempts_left !== null && next.attempts_left !== state?.attempts_left;
	if (isCounted && next.attempts_left < state?.attempts_left) isPaid = false; // it failed after all
	if (isCounted) hurriedLooks = next.attempts_left ? 0 : 9; // after the last one the end comes
	if (next.decline_reason && (isCounted || next.decline_reason !== state?.decline_reason)) tellProblem(`decline_${next.decline_reason}`);
	state = next;
	setSecondsLeft(next.seconds_left, askedAt);
	for (const link of outcome.querySelectorAll("[data-link]")) setLink(link, next[link.dataset.link]);
	for (const times of outcome.querySelectorAll("[data-free-times]")) {
		times.hidden = !next.free_times.length;
		times.querySelector("ul").replaceChildren(...next.free_times.map(({ text }) => Object.assign(document.createElement("li"), { textContent: text })));
	}
	if (payButton) find("attempts").textContent = next.decline_reason && next.attempts_left ? t("attempts_left", { count: next.attempts_left }) : "";
	update();
}

function update() {
	if (!state) return;
	const isOpen = state.status === "payment_required";
	const panel = !isOpen ? state.status : isPaid ? "being_confirmed" : secondsLeft() > 0 ? "pay" : "over";
	if (panel !== shown) show(panel);
	if (panel === "pay") mountForm();
	else dropForm();
	setPayable();
	if (panel === "pay" && elsewhere?.hidden === false) goElsewhere();
}

function show(panel) {
	const hadFocus = document.activeElement === document.body || outcome.contains(document.activeElement);
	for (const one of panels) one.hidden = one.dataset.panel !== panel;
	find("policy").hidden = ["expired", "payment_failed", "cancelled", "completed"].includes(panel);
	shown = panel;
	look.hurry();
	const heading = find(`${panel}-title`);
	document.title = `${heading.textContent.trim()}: ${find("what").textContent}`;
	if (hadFocus) heading.focus({ preventScroll: true });
	else announcer.textContent = heading.textContent;
}

// The countdown runs on the page's own clock from the seconds that the server says are left: the device's may be wrong.
let end = Infinity, ticking;
const secondsLeft = () => (end - performance.now()) / 1000;

function setSecondsLeft(seconds, askedAt) {
	const next = askedAt + seconds * 1000;
	end = Math.abs(next - end) < 2000 ? Math.min(next, end) : next; // the network took the difference
	tick();
}

function tick() {
	clearTimeout(ticking);
	const left = secondsLeft(), seconds = Math.max(0, Math.ceil(left));
	find("countdown").textContent = clock(seconds);
	find("countdown").classList.toggle("soon", seconds <= 60);
	if (shown === "pay") tellTime(seconds);
	setPayable();
	if (left > 0) ticking = setTimeout(tick, (left % 1) * 1000 + 5);
	else if (shown === "pay" && state.status === "payment_required") {
		update();
		look(true);
	}
}

function tellTime(seconds) {
	if ([600, 300, 120, 60].includes(seconds)) announcer.textContent = t("time_left_minutes", { count: seconds / 60 });
	if (seconds === LAST_SECONDS) announcer.textContent = t("too_late");
	find("held").textContent = t(seconds <= LAST_SECONDS ? "too_late" : "held");
}

function setPayable() {
	const isTooLate = secondsLeft() <= LAST_SECONDS;
	if (elsewhere) elsewhere.hidden = isTooLate;
	if (!payButton) return;
	payButton.disabled = !isReady || !isChecked || isPaying || isTooLate;
	payButton.textContent = isPaying ? t("paying") : payLabel;
}

/** To the provider's own page, once: who comes back meets this page. */
function goElsewhere() {
	const sold = root.dataset.elsewhere;
	if (sessionStorage[sold]) return;
	sessionStorage[sold] = "sent";
	location.assign(elsewhere.href);
}

function mountForm() {
	if (element || !payButton || !state.client_secret) return;
	if (!window.Stripe) return tellProblem("form_failed");
	const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
	const colorPrimary = getComputedStyle(root).getPropertyValue("--accent").trim();
	stripe = Stripe(root.dataset.key, { locale: root.dataset.language });
	elements = stripe.elements({ clientSecret: state.client_secret, appearance: { theme, variables: { colorPrimary } } });
	element = elements.create("payment");
	element.on("ready", () => {
		find("loading").hidden = isReady = true;
		setPayable();
	});
	element.on("loaderror", () => tellProblem("form_failed"));
	element.mount("#payment-element");
	checkIntent({ showsDecline: cameBack }).finally(() => {
		isChecked = true; // nobody pays again what the provider says is paid
		setPayable();
	});
}

/** After the end no page has a client secret. */
function dropForm() {
	state.client_secret = null;
	if (!element || isPaying) return;
	element.destroy();
	stripe = elements = element = isReady = isChecked = undefined;
}

async function pay(event) {
	event.preventDefault();
	if (payButton.disabled) return;
	isPaying = true;
	find("problem").hidden = true;
	setPayable();
	const confirmParams = { return_url: location.origin + location.pathname + ownQuery };
	await stripe.confirmPayment({ elements, confirmParams, redirect: "if_required" }).then(settle, () => checkIntent({ isUnclear: true }));
	isPaying = false;
	update();
}

function settle({ error, paymentIntent }) {
	if (paymentIntent) return noteIntent(paymentIntent, { showsDecline: true });
	if (error.type === "validation_error") return tellProblem("problem_form");
	return error.type === "card_error" ? lookAtDecline() : checkIntent({ isUnclear: true });
}

/** What the provider itself says of the intent: the services may not have heard yet. */
async function checkIntent(asked) {
	const { paymentIntent } = await stripe.retrievePaymentIntent(state.client_secret).catch(() => ({}));
	if (paymentIntent) return noteIntent(paymentIntent, asked);
	if (asked.isUnclear) tellProblem("problem_unclear");
	if (asked.isUnclear || asked.showsDecline) return look(true);
}

async function noteIntent({ status, last_payment_error }, { showsDecline, isUnclear }) {
	if (PAID.includes(status)) {
		isPaid = true;
		update();
	} else if (last_payment_error && showsDecline) return lookAtDecline();
	else if (!isUnclear) return;
	else if (status !== "canceled") tellProblem("problem_network");
	return look(true);
}

/** Payment knows the reason and the attempts left. */
async function lookAtDecline() {
	hurriedLooks = 5;
	await look(true);
	if (find("problem").hidden) tellProblem("decline_other");
}

function tellProblem(name) {
	find("problem-text").textContent = t(name);
	find("problem").hidden = false;
}

find("payment-form")?.addEventListener("submit", pay);
if (LOOKS[shown]) look(cameBack || shown !== "pay");
