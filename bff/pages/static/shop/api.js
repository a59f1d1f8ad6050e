// The public API: GraphQL and REST. What it refuses is a Problem with the API's own code.

let token = "", ahead = 0;

/** Whoever this token names asks from now on. */
export function signIn(newToken) {
  token = newToken;
}

export const authorization = () => `Bearer ${token}`;

/** Now by the server's clock, in milliseconds: a hold ends when the server says so. */
export const now = () => Date.now() + ahead;

export class Problem extends Error {
  constructor(code, message = "", retryAfter = 0) {
    super(message);
    Object.assign(this, { code, retryAfter });
  }
}

/** Reads JSON. What people wrote turns no line around: the controls of Unicode's bidirectional algorithm are dropped. */
export const read = (text) => JSON.parse(text, (_, value) => (typeof value === "string" ? value.replace(/[\u202a-\u202e\u2066-\u2069]/g, "") : value));

/** The answer's JSON, and what it says about trying again. */
async function request(method, path, body) {
  const headers = { accept: "application/json", authorization: authorization() };
  if (body) headers["content-type"] = "application/json";
  try {
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(15_000) });
    ahead = (Date.parse(answer.headers.get("date")) + 2000 || Date.now()) - Date.now(); // it has whole seconds, and can be one old
    return { said: read(await answer.text()), retryAfter: Number(answer.headers.get("retry-after")) };
  } catch {
    throw new Problem("NETWORK");
  }
}

let documents;

/** Reads the operations and fragments, once. */
async function load() {
  const answer = await fetch("/pages/shop/operations.gql").catch(() => { throw new Problem("NETWORK"); });
  const parts = (await answer.text()).split(/\n(?=\w)/);
  documents = Object.fromEntries(parts.map((part) => [/^\w+ (\w+)/.exec(part)?.[1], part]));
}

/** The operation of this name, with the fragments that it uses. */
export function operation(name) {
  const names = new Set([name]);
  for (const one of names) for (const [, fragment] of documents[one].matchAll(/\.\.\.(\w+)/g)) names.add(fragment);
  return [...names].map((one) => documents[one]).join("\n");
}

/** Asks GraphQL. Returns `data`. */
export async function ask(name, variables = {}) {
  if (!documents) await load();
  const query = operation(name);
  const { said, retryAfter } = await request("POST", "/graphql", { query, variables });
  const error = said.errors?.[0];
  if (error) throw new Problem(error.extensions?.code ?? "INTERNAL", error.message, retryAfter);
  return said.data;
}

/** Sends a mutation. Returns its payload; what a business rule refuses is a Problem too. */
export async function change(name, variables) {
  const [payload] = Object.values(await ask(name, variables));
  const [refused] = payload.userErrors;
  if (refused) throw new Problem(refused.code, refused.message);
  return payload;
}

/** Asks REST. Returns `data`. */
export async function rest(method, path, body) {
  const { said, retryAfter } = await request(method, path, body);
  if (!said.success) throw new Problem(said.error.code, said.message, retryAfter);
  return said.data;
}
