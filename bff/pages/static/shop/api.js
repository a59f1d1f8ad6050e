// The public API: GraphQL and REST. What it refuses is thrown as { code, message, field, retryAfter }.

import { find, send } from "../base.js";

/** The documents of operations.gql, by their names. */
const OPERATIONS = JSON.parse(find("operations").textContent);
let token = "", ahead = 0;

export const signIn = (newToken) => { token = newToken; };
export const authorization = () => `Bearer ${token}`;

/** Now by the server's clock, in milliseconds. */
export const now = () => Date.now() + ahead;

async function request(method, path, body) {
	const said = await send(method, path, { authorization: authorization() }, body).catch(() => { throw { code: "NETWORK" }; });
	ahead = (Date.parse(said.date) + 2000 || Date.now()) - Date.now();
	return said;
}

export const operation = (name, variables) => ({ query: OPERATIONS[name], variables });

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
