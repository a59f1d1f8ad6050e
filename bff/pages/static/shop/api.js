// The public API: GraphQL, its subscriptions, and REST. What is refused is thrown as { code, message, field, retryAfter }.

import { find, read, send } from "../base.js";
import { subscribe } from "/graphql/explorer/socket.js";

/** The documents of operations.gql, by their names. */
const OPERATIONS = JSON.parse(find("operations").textContent);
const PAUSE_MS = 3000;
let token = "", ahead = 0;

export const signIn = (newToken) => { token = newToken; };

/** Now by the server's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

async function request(method, path, body) {
	const said = await send(method, path, { authorization: `Bearer ${token}` }, body).catch(() => { throw { code: "NETWORK" }; });
	ahead = (Date.parse(said.date) + 2000 || Date.now()) - Date.now();
	return said;
}

const operation = (name, variables) => ({ query: OPERATIONS[name], variables });

export async function ask(name, variables) {
	const { data, errors, retryAfter } = await request("POST", "/graphql", operation(name, variables));
	if (errors) throw { code: "INTERNAL", ...errors[0].extensions, message: errors[0].message, retryAfter };
	return data;
}

/** A mutation, whose payload may refuse too. */
export async function change(name, variables) {
	const [payload] = Object.values(await ask(name, variables)), [refused] = payload.userErrors;
	if (refused) throw refused;
	return payload;
}

export async function rest(method, path, body) {
	const { success, data, message, error, retryAfter } = await request(method, path, body);
	if (!success) throw { ...error, message, retryAfter };
	return data;
}

/** `heard` gets each answer of the subscription, the first at once; `lost` is called while none comes through. */
export function watch(name, variables, heard, lost, signal) {
	let isHeard;
	const url = `${location.origin.replace("http", "ws")}/graphql`, stop = subscribe(url, token, operation(name, variables), {
		parse: read,
		heard: ({ data }) => {
			isHeard = true;
			if (data) heard(data);
		},
		ended: (_why, _isBad, code) => { isHeard = code === 1000; },
	});
	const timer = setInterval(() => isHeard || lost(), PAUSE_MS);
	signal.addEventListener("abort", () => { clearInterval(timer); stop(); });
}
