// Asks the edge as whoever holds this page's link. The token travels in a header: no address, cookie or log has it.

const token = location.pathname.split("/")[2] ?? "";

export class Refused extends Error {
  constructor(status, code, retryAfter) {
    super(code);
    Object.assign(this, { status, code, retryAfter });
  }
}

// The answer's data. Throws Refused for an answer that refuses, and what fetch throws when there is no answer.
export async function ask(method, path, body) {
  const headers = { "Link-Token": token, "Accept-Language": document.documentElement.lang };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(12000),
  });
  const envelope = await answer.json();
  if (!answer.ok) {
    throw new Refused(answer.status, envelope.error?.code ?? "", Number(answer.headers.get("retry-after")) || 0);
  }
  return envelope.data;
}
