// The page that stands in for the payer's bank. What it is about comes in the fragment, which is sent to no server and
// leaves the address at once. It returns to the page to pay on as Stripe does.

const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname + location.search);

const texts = JSON.parse(document.getElementById("sandbox-texts").textContent);
const problem = document.getElementById("problem");
const buttons = { succeeded: document.getElementById("complete"), failed: document.getElementById("fail") };
const secret = given.get("client_secret") ?? "";
const intent = secret.split("_secret_")[0];
const back = ownAddress(given.get("return_url") ?? "");

// Only a page of ours is returned to.
function ownAddress(address) {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null;
  return url?.origin === location.origin && url.pathname.startsWith("/checkout/") ? url : null;
}

function setEnabled(is) {
  for (const button of Object.values(buttons)) button.disabled = !is;
}

function say(text) {
  problem.textContent = text;
  problem.hidden = false;
}

async function end(outcome) {
  setEnabled(false);
  try {
    const body = new URLSearchParams({ outcome });
    const answer = await fetch(`/sandbox/payment_intents/${intent}/_authenticate`, { method: "POST", body });
    if (answer.status >= 500) throw new Error("the sandbox is away");
  } catch {
    say(texts.challenge_failed);
    return setEnabled(true);
  }
  back.searchParams.set("payment_intent", intent);
  back.searchParams.set("payment_intent_client_secret", secret);
  back.searchParams.set("redirect_status", outcome);
  location.replace(back);
}

if (/^pi_\w+$/.test(intent) && back) {
  for (const [outcome, button] of Object.entries(buttons)) button.addEventListener("click", () => end(outcome));
  setEnabled(true);
} else {
  say(texts.challenge_none);
}
