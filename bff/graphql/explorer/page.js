// The explorer's page: who asks, what is asked, and what was answered.
import { hint, parts, tokenHint } from "./explorer/answer.js";
import { EXAMPLES, LOOKUPS } from "./explorer/examples.js";
import { SCHEMA, element, list } from "./explorer/schema.js";
import { FORBIDDEN, isSubscription, subscribe } from "./explorer/socket.js";

const BY_TOKEN = "token";
const RENEWED_EVERY_MS = 3600000;
const at = (id) => document.getElementById(id);
const remembered = (name) => sessionStorage.getItem(name) ?? "";

let people = [];      // the demo people; nobody when this is no developer's machine
let loaded = 0;       // when their tokens were fetched
let schema = null;
let chosen = "";      // the example in the query
let filling = null;   // the look-up of its variables
let stop = null;      // ends the subscription that runs
let latest = {};      // the course that was made last

// Who asks.

const person = () => people.find((one) => one.id === at("person").value);
const token = () => person()?.token ?? at("token").value.trim();

async function loadPeople() {
  const answer = await fetch("/graphql/explorer/people");
  loaded = performance.now();
  people = (await answer.json()).people;
  const options = people.map((one) => element("option", `${one.name}, ${one.role}`, { value: one.id }));
  at("person").replaceChildren(...options, element("option", "somebody else: by token", { value: BY_TOKEN }));
  const before = remembered("person");
  at("person").value = [...people.map((one) => one.id), BY_TOKEN].includes(before) ? before : people[0]?.id ?? BY_TOKEN;
  at("people").hidden = !people.length;
  showPerson();
}

function showPerson() {
  at("by-token").hidden = Boolean(person());
  sessionStorage.setItem("person", at("person").value);
}

/** An example for tutors is asked by a demo tutor, and one for students by a demo student. */
function actAs(role) {
  if (!role || !person() || person().role === role) return;
  at("person").value = people.find((one) => one.role === role)?.id ?? BY_TOKEN;
  showPerson();
}

/** Another person has other bookings. What somebody has typed stays. */
function changePerson() {
  showPerson();
  tell("");
  const example = EXAMPLES[chosen];
  if (at("query").value !== example.query) return;
  fill(example.variables);
  filling = lookUp(chosen, example);
}

// What is asked.

async function ask(query, variables) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  if (token()) headers.authorization = `Bearer ${token()}`;
  const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return { status: answer.status, body: await answer.json() };
}

function choose(name) {
  const example = EXAMPLES[name];
  chosen = name;
  actAs(example.role);
  at("query").value = example.query;
  fill(example.variables);
  filling = lookUp(name, example);
}

function fill(variables) {
  at("variables").value = JSON.stringify(variables, null, 2);
}

/** Fills in a free time, a booking or a course, unless somebody has typed meanwhile. */
async function lookUp(name, { find, variables }) {
  if (latest[find]) fill({ ...variables, [find]: latest[find] });
  const lookup = LOOKUPS[find];
  if (!lookup || !token()) return;
  const before = at("variables").value;
  const { body } = await ask(lookup.query, lookup.variables);
  if (chosen !== name || at("variables").value !== before || !body.data) return;
  const found = lookup.pick(body.data);
  if (found) fill({ ...variables, [find]: found });
  tell(found ? "" : lookup.none);
}

function readVariables() {
  try {
    return JSON.parse(at("variables").value || "{}");
  } catch (error) {
    throw new Error(`The variables are no JSON: ${error.message}`);
  }
}

async function run() {
  if (stop) return stop();
  const began = performance.now();
  at("run").disabled = true;
  tell("");
  try {
    await filling?.catch(() => {});
    if (person() && performance.now() - loaded > RENEWED_EVERY_MS) await loadPeople();
    const query = at("query").value, variables = readVariables();
    if (isSubscription(query)) return follow({ query, variables });
    const { status, body } = await ask(query, variables);
    latest.course = body.data?.createCourse?.course?.id ?? latest.course;
    show(body, `${status} · ${Math.round(performance.now() - began)} ms`);
  } catch (error) {
    showText(error instanceof TypeError ? "The edge does not answer." : error.message, "not answered", true);
  } finally {
    at("run").disabled = false;
  }
}

/** Runs a subscription until it ends, or until the button, which is now Stop, is pressed. */
function follow(operation) {
  let count = 0;
  at("result").replaceChildren();
  at("status").textContent = "listening…";
  at("result").classList.remove("bad");
  setButton("Stop");
  stop = subscribe(`${location.origin.replace(/^http/, "ws")}/graphql`, token(), operation, {
    heard(body) {
      count += 1;
      at("status").textContent = `listening… ${count} so far`;
      const time = element("span", `# ${new Date().toLocaleTimeString()}\n`, { className: "time" });
      at("result").append(time, ...rendered(body), "\n\n");
      at("result").scrollTop = at("result").scrollHeight;
    },
    ended(why, isBad, code) {
      stop = null;
      tell(code === FORBIDDEN ? tokenHint(Boolean(person())) : "");
      setButton("Run");
      at("status").textContent = `${count} received · ${why}`;
      at("result").classList.toggle("bad", isBad);
    },
  });
}

// What was answered.

function setButton(word) {
  at("run").firstChild.textContent = `${word} `;
  at("run").classList.toggle("stop", word === "Stop");
}

function rendered(body) {
  return parts(JSON.stringify(body, null, 2)).map(([kind, text]) => {
    if (kind !== "link") return kind ? element("span", text, { className: kind }) : text;
    const address = JSON.parse(text);
    return element("a", text, { href: address, target: "_blank", rel: "noopener noreferrer" });
  });
}

function show(body, status) {
  at("result").replaceChildren(...rendered(body));
  at("result").classList.toggle("bad", Boolean(body.errors));
  at("status").textContent = status;
  tell(hint(body, Boolean(person())));
}

function showText(text, status, isBad) {
  at("result").textContent = text;
  at("result").classList.toggle("bad", isBad);
  at("status").textContent = status;
}

function tell(text) {
  at("hint").textContent = text;
  at("hint").hidden = !text;
}

// The schema.

async function loadSchema() {
  const { body } = await ask(SCHEMA, {});
  if (!body.data) throw new Error(body.errors?.[0]?.message ?? "no schema");
  schema = body.data.__schema;
  filter();
}

function filter() {
  if (schema) at("docs").replaceChildren(...list(schema, at("filter").value.trim()));
}

/** A type's name leads to the type, also when the filter hides it. */
function openType(link) {
  if (!document.querySelector(link.getAttribute("href"))) {
    at("filter").value = "";
    filter();
  }
  document.querySelector(link.getAttribute("href")).open = true;
}

at("examples").append(...Object.keys(EXAMPLES).map((name) => element("option", name, { value: name })));
at("examples").addEventListener("change", (event) => choose(event.target.value));
at("person").addEventListener("change", changePerson);
at("token").value = remembered("token");
at("token").addEventListener("input", (event) => sessionStorage.setItem("token", event.target.value));
at("filter").addEventListener("input", filter);
at("bar").addEventListener("submit", (event) => { event.preventDefault(); run(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
});
at("docs").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link) openType(link);
});

await loadPeople().catch(() => {});
choose(Object.keys(EXAMPLES)[0]);
loadSchema().catch((error) => at("docs").replaceChildren(`The schema could not be loaded: ${error.message}`));
