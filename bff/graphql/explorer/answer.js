// Answers as they are shown: JSON with its parts marked, links that can be followed, and a hint for what went wrong.

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LINK = /^"https?:[^"\\]+"$/;

/** The text cut into [kind, text], where kind is "key", "string", "link", "literal" or "". */
export function parts(json) {
  const found = [];
  let at = 0;
  for (const match of json.matchAll(TOKENS)) {
    const [all, quoted, colon] = match;
    if (match.index > at) found.push(["", json.slice(at, match.index)]);
    if (colon) found.push(["key", quoted], ["", colon]);
    else if (quoted) found.push([LINK.test(quoted) ? "link" : "string", quoted]);
    else found.push(["literal", all]);
    at = match.index + all.length;
  }
  if (at < json.length) found.push(["", json.slice(at)]);
  return found;
}

/** What to do about an answer's errors; "" when its own words are enough. */
export function hint(answer, isPerson) {
  const codes = (answer.errors ?? []).map((error) => error.extensions?.code);
  return codes.includes("UNAUTHENTICATED") ? tokenHint(isPerson) : "";
}

/** Where to get a good token. */
export function tokenHint(isPerson) {
  if (isPerson) return "This person's token is no longer good. Reload the page for a new one.";
  return "Paste a token above. On your machine “.venv/bin/tutormesh token --role student” prints one.";
}
