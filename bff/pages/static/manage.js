// The page to manage a purchase: it follows what happens, and cancels in two steps, the quote first.

import { find, t } from "./base.js";
import { ask, follow, setLink } from "./link.js";

const dialog = find("quote"), status = find("status-title"), start = find("cancel-start"), { person } = find("manage").dataset;
const LOOK_SECONDS = [3, 5, 10, 20, 30, 60];

let quote, isCancelling, isChanging = true;

const look = follow(async () => show(await ask("GET", "/links/purchase")), () => isChanging && LOOK_SECONDS);

function show(purchase) {
	const { refund_state: refund, refunded, refund_pending: pending } = purchase;
	if (purchase.status !== status.dataset.status) {
		status.dataset.status = purchase.status;
		status.textContent = find("announce").textContent = t(`status_${purchase.status}`);
	}
	find("join").hidden = !purchase.meeting_link;
	setLink(find("join-link"), purchase.meeting_link);
	find("cancel").hidden = find("policy").hidden = !purchase.is_cancellable;
	if (find("calendar")) find("calendar").hidden = purchase.status !== "confirmed";
	find("refund").hidden = refund === "none";
	find("refund-text").textContent = t(`refund_${refund}_${person}`, { amount: (refund === "pending" ? pending : refunded)?.text });
	isChanging = ["payment_required", "being_confirmed"].includes(purchase.status) || refund === "pending";
}

async function startCancelling() {
	tell("cancel-problem");
	tell("quote-problem");
	start.disabled = true;
	start.textContent = t("cancel_asking");
	await loadQuote().then(() => dialog.showModal(), giveUp);
	start.disabled = false;
	start.textContent = t("cancel_start");
}

async function loadQuote() {
	quote = await ask("GET", "/links/purchase/quote");
	const { refund, percent } = quote, name = Number(refund?.amount) > 0 ? "quote" : "quote_nothing";
	find("quote-text").textContent = t(`${name}_${person}`, { amount: refund?.text, percent });
}

async function cancel(event) {
	event.preventDefault();
	if (isCancelling) return;
	setCancelling(true);
	tell("quote-problem");
	try {
		await ask("POST", "/links/purchase/cancel", { quote_token: quote.quote_token, reason: find("reason").value.trim() });
		dialog.close();
		look.hurry();
		await look();
		status.focus();
		find("announce").textContent = t("cancelled_now");
	} catch (error) {
		if (error.code === "NOT_CANCELLABLE") giveUp(error);
		else if (error.code === "QUOTE_EXPIRED") await loadQuote().then(() => tell("quote-problem", "problem_changed"), giveUp);
		else tell("quote-problem", "problem_try_again");
	}
	setCancelling(false);
}

function giveUp({ code }) {
	dialog.close();
	tell("cancel-problem", code === "NOT_CANCELLABLE" ? "problem_not_cancellable" : "problem_try_again");
	look();
}

function setCancelling(is) {
	isCancelling = find("quote-confirm").disabled = find("quote-keep").disabled = is;
	find("quote-confirm").textContent = t(is ? "cancelling" : "quote_confirm");
}

function tell(place, name) {
	find(place).textContent = name ? t(name) : "";
	find(place).hidden = !name;
}

start.disabled = false;
start.onclick = startCancelling;
find("quote-form").onsubmit = cancel;
find("quote-keep").onclick = () => dialog.close();
dialog.oncancel = (event) => isCancelling && event.preventDefault();
dialog.onclose = () => isCancelling || start.focus();
look();
