// Runs before every other script of the page to pay on. A provider that sends the person back writes the client secret
// into the query: it leaves the address at once.

const query = new URLSearchParams(location.search), lang = query.get("lang");

export const cameBack = query.has("payment_intent") || query.has("redirect_status");
export const ownQuery = lang ? `?lang=${encodeURIComponent(lang)}` : "";

if (location.search !== ownQuery) history.replaceState(null, "", location.pathname + ownQuery);
