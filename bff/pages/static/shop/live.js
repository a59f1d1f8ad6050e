// Subscriptions over one WebSocket. While none comes through, the same is asked every few seconds.

import { read } from "../base.js";
import { ask, authorization, operation } from "./api.js";

const PAUSE_MS = 3000, running = new Map();
let socket, isReady, last = 0, timer;

/** `heard` gets each answer of the subscription until the signal aborts. `query` asks for the same once. */
export function watch(watched, signal) {
	const id = String(++last);
	running.set(id, watched);
	signal.addEventListener("abort", () => {
		running.delete(id);
		if (isReady) tell({ type: "complete", id });
	});
	if (isReady) subscribe(id);
	else if (!socket) connect();
	timer ??= setInterval(look, PAUSE_MS);
}

const tell = (message) => socket.send(JSON.stringify(message));

function subscribe(id) {
	const { subscription, variables } = running.get(id);
	tell({ type: "subscribe", id, payload: operation(subscription, variables) });
}

/** A proxy may refuse WebSockets, or keep them silent. */
function look() {
	if (isReady) return;
	for (const { query, variables, heard, failed } of running.values()) ask(query, variables).then(heard, failed);
	if (!socket && running.size) connect();
}

function connect() {
	socket = new WebSocket(`${location.origin.replace("http", "ws")}/graphql`, "graphql-transport-ws");
	socket.onopen = () => tell({ type: "connection_init", payload: { Authorization: authorization() } });
	socket.onmessage = ({ data }) => hear(read(data));
	socket.onclose = () => { socket = isReady = null; };
}

function hear({ type, id, payload }) {
	if (type === "connection_ack") {
		isReady = true;
		[...running.keys()].forEach(subscribe);
	}
	if (type === "ping") tell({ type: "pong" });
	if (type === "next" && payload.data) running.get(id)?.heard(payload.data);
	if (type === "error" || type === "complete") running.delete(id);
}
