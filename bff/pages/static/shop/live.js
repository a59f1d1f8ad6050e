// What changes, as it changes: subscriptions over one WebSocket in the subprotocol graphql-transport-ws.
// While no WebSocket comes through, the same is asked every few seconds.

import { ask, authorization, operation, read } from "./api.js";

const PAUSE_MS = 3000;
const running = new Map();
let socket, isReady = false, last = 0;

/** `heard` gets each answer of the subscription until the signal aborts. `query` asks for the same once. */
export function watch({ subscription, query, variables, heard, failed }, signal) {
  const id = String(++last);
  running.set(id, { payload: { query: operation(subscription), variables }, query, variables, heard, failed });
  signal.addEventListener("abort", () => {
    running.delete(id);
    if (isReady) say({ type: "complete", id });
  });
  if (!socket) connect();
  else if (isReady) subscribe(id);
}

const say = (message) => socket.send(JSON.stringify(message));
const subscribe = (id) => say({ type: "subscribe", id, payload: running.get(id).payload });

function connect() {
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  socket.onopen = () => say({ type: "connection_init", payload: { Authorization: authorization() } });
  socket.onmessage = ({ data }) => hear(read(data));
  socket.onclose = () => {
    socket = null;
    isReady = false;
    running.forEach(poll);
    if (running.size) setTimeout(() => socket || connect(), PAUSE_MS);
  };
}

function hear({ type, id, payload }) {
  if (type === "connection_ack") {
    isReady = true;
    [...running.keys()].forEach(subscribe);
  }
  if (type === "ping") say({ type: "pong" });
  if (type === "next" && payload.data) running.get(id)?.heard(payload.data);
  if (type === "error" || type === "complete") running.delete(id);
}

function poll({ query, variables, heard, failed }) {
  ask(query, variables).then(heard, failed);
}
