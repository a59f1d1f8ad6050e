// Subscriptions: one operation over a WebSocket of its own, in the subprotocol graphql-transport-ws.

/** The code of a connection that is closed for want of a good token. */
export const FORBIDDEN = 4403;

const SUBPROTOCOL = "graphql-transport-ws";
const IGNORED = /"""[^]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|,/g;
const INNERMOST = /\([^()]*\)|\{[^{}]*\}/g;
const FRAGMENTS = /^(\s*fragment\s+\w+\s+on\s+\w+(\s*@\w+)*)*/;

/** Is the operation of this document a subscription? Fragments may stand before it. */
export function isSubscription(query) {
  let text = query.replace(IGNORED, " "), outer;
  while ((outer = text.replace(INNERMOST, " ")) !== text) text = outer;
  return /^\s*subscription\b/.test(text.replace(FRAGMENTS, ""));
}

/**
 * Starts a subscription: `heard` gets each answer, and `ended` gets once why there will be no other,
 * whether that is bad, and the connection's code. `parse` reads a message. Returns a function that stops it.
 */
export function subscribe(url, token, operation, { heard, ended, parse = JSON.parse }) {
  const socket = new WebSocket(url, SUBPROTOCOL);
  const say = (type, more = {}) => socket.send(JSON.stringify({ type, ...more }));
  let isOver = false;

  function end(why, isBad = false, code = 1000) {
    if (isOver) return;
    isOver = true;
    if (socket.readyState !== WebSocket.CONNECTING) socket.close(1000); // sooner, a browser tells it as a failure
    ended(why, isBad, code);
  }

  socket.onopen = () => isOver ? socket.close(1000) : say("connection_init", { payload: token ? { Authorization: `Bearer ${token}` } : {} });
  socket.onmessage = ({ data }) => {
    if (isOver) return;
    const { type, payload } = parse(data);
    if (type === "connection_ack") say("subscribe", { id: "1", payload: operation });
    if (type === "ping") say("pong");
    if (type === "next") heard(payload);
    if (type === "error") { heard({ errors: payload }); end("refused", true); }
    if (type === "complete") end("ended");
  };
  socket.onclose = ({ code, reason }) => end(`closed: ${reason || "no connection"} (${code})`, true, code);
  return () => {
    if (socket.readyState === WebSocket.OPEN) say("complete", { id: "1" });
    end("stopped");
  };
}
