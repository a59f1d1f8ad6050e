// The page that stands in for the payer's bank. What it is about comes in the fragment, which no server gets.

const given = new URLSearchParams(location.hash.slice(1)), secret = given.get("client_secret") ?? "", [intent] = secret.split("_secret_");
const back = new URL(given.get("return_url") ?? "", location.href), isOurs = back.origin === location.origin && back.pathname.startsWith("/checkout/");
const buttons = document.querySelectorAll("[data-outcome]");
history.replaceState(null, "", location.pathname + location.search);

function show(isEnabled, problem) {
	for (const button of buttons) button.disabled = !isEnabled;
	for (const one of document.querySelectorAll("[data-problem]")) one.hidden = one.dataset.problem !== problem;
}

for (const button of buttons) button.onclick = () => end(button.dataset.outcome);

async function end(outcome) {
	show(false);
	const path = `/sandbox/payment_intents/${intent}/_authenticate`, request = { method: "POST", body: new URLSearchParams({ outcome }) };
	const answer = await fetch(path, request).catch(() => ({ status: 503 }));
	if (answer.status >= 500) return show(true, "failed");
	back.search += `&${new URLSearchParams({ payment_intent: intent, payment_intent_client_secret: secret, redirect_status: outcome })}`;
	location.replace(back);
}

if (isOurs && /^pi_\w+$/.test(intent)) show(true);
else show(false, "none");
