"use strict";

const SCHEMA = `{
  __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types {
      name kind description
      fields { name description args { name description type { ...T } defaultValue } type { ...T } }
      inputFields { name description type { ...T } defaultValue }
      enumValues { name description }
    }
  }
}
fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }`;

const tomorrow = (days, hour) => {
  const day = new Date(Date.now() + days * 86400000);
  day.setUTCHours(hour, 0, 0, 0);
  return day.toISOString().replace(".000Z", "Z");
};

const EXAMPLES = {
  "Free slots": {
    query: "query Slots($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {\n" +
      "  tutorAvailability(tutorId: $tutorId, from: $from, to: $to) {\n    start\n    end\n    price { display }\n  }\n}",
    variables: { tutorId: "", from: tomorrow(1, 0), to: tomorrow(8, 0) },
  },
  "Book a lesson": {
    query: "mutation Book($tutorId: ID!, $time: AWSDateTime!) {\n  bookSession(tutorId: $tutorId, time: $time) {\n" +
      "    booking { id status startTime price { display } }\n    clientSecret\n    holdExpiresAt\n" +
      "    userErrors { code message field retryable }\n  }\n}",
    variables: { tutorId: "", time: tomorrow(1, 15) },
  },
  "One booking": {
    query: "query Booking($id: ID!) {\n  booking(id: $id) {\n    status\n    startTime\n    price { display }\n" +
      "    session { id status }\n    payment { id status amount { display } }\n    timeline { at service event detail }\n  }\n}",
    variables: { id: "" },
  },
  "My sessions": {
    query: "{\n  getMySessions {\n    nodes { id scheduledAt durationMinutes status }\n" +
      "    pageInfo { hasNextPage endCursor }\n  }\n}",
    variables: {},
  },
  "What I paid": {
    query: "{\n  getPaymentHistory {\n    nodes { id amount { display } refunded { display } status createdAt }\n" +
      "    pageInfo { hasNextPage endCursor }\n  }\n}",
    variables: {},
  },
  "Courses": {
    query: "{\n  courses {\n    nodes { id title price { display } seats seatsTaken }\n" +
      "    pageInfo { hasNextPage endCursor }\n  }\n}",
    variables: {},
  },
  "Enroll in a course": {
    query: "mutation Enroll($courseId: ID!) {\n  enrollInCourse(courseId: $courseId) {\n" +
      "    enrollment { id status }\n    clientSecret\n    holdExpiresAt\n" +
      "    userErrors { code message field retryable }\n  }\n}",
    variables: { courseId: "" },
  },
  "My enrollments": {
    query: "{\n  getMyEnrollments {\n    nodes { id status course { title } payment { status amount { display } } }\n" +
      "    pageInfo { hasNextPage endCursor }\n  }\n}",
    variables: {},
  },
  "Create a course": {
    query: "mutation Create($input: CreateCourseInput!) {\n  createCourse(input: $input) {\n" +
      "    course { id published }\n    userErrors { code message }\n  }\n}",
    variables: { input: { title: "Fractions for everybody", price: { amountMinor: 12000, currency: "EUR" }, seats: 12 } },
  },
  "Publish a course": {
    query: "mutation Publish($id: ID!) {\n  publishCourse(id: $id) {\n" +
      "    course { id published }\n    userErrors { code message }\n  }\n}",
    variables: { id: "" },
  },
  "Publish hours": {
    query: "mutation Publish($input: PublishAvailabilityInput!) {\n  publishAvailability(input: $input) {\n" +
      "    tutorId\n    userErrors { code message }\n  }\n}",
    variables: { input: {
      timezone: "Europe/Paris",
      weekly: [{ weekday: "MONDAY", start: "09:00", end: "17:00" }],
      rate: { amountMinor: 5000, currency: "EUR" },
    } },
  },
};

const at = (id) => document.getElementById(id);

const element = (tag, content = [], attributes = {}) => {
  const made = document.createElement(tag);
  made.append(...[content].flat());
  return Object.assign(made, attributes);
};

async function ask(query, variables, token = "") {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return { status: answer.status, body: await answer.json() };
}

function show(text, status, bad) {
  at("result").textContent = text;
  at("result").classList.toggle("bad", bad);
  at("status").textContent = status;
}

async function run() {
  const began = performance.now();
  at("run").disabled = true;
  try {
    const variables = JSON.parse(at("variables").value || "{}");
    const { status, body } = await ask(at("query").value, variables, at("token").value.trim());
    const took = `${Math.round(performance.now() - began)} ms`;
    show(JSON.stringify(body, null, 2), `${status} · ${took}`, Boolean(body.errors));
  } catch (error) {
    show(String(error), "not sent, or not answered", true);
  } finally {
    at("run").disabled = false;
  }
}

function typeText(type) {
  if (type.kind === "NON_NULL") return [...typeText(type.ofType), "!"];
  if (type.kind === "LIST") return ["[", ...typeText(type.ofType), "]"];
  return [element("a", type.name, { href: `#type-${type.name}` })];
}

function signature(field) {
  const parts = [element("b", field.name)];
  if (field.args?.length) {
    parts.push("(");
    field.args.forEach((argument, index) => {
      parts.push(index ? ", " : "", `${argument.name}: `, ...typeText(argument.type));
      if (argument.defaultValue !== null) parts.push(` = ${argument.defaultValue}`);
    });
    parts.push(")");
  }
  if (field.type) parts.push(": ", ...typeText(field.type));
  if (field.defaultValue) parts.push(` = ${field.defaultValue}`);
  return parts;
}

function describe(type) {
  const rows = [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])];
  const list = element("dl", rows.flatMap((row) => [
    element("dt", signature(row)),
    ...(row.description ? [element("dd", row.description)] : []),
  ]));
  const summary = element("summary", [type.name, " ", element("small", type.kind.toLowerCase().replace("_", " "))]);
  const about = type.description ? [element("p", type.description)] : [];
  const details = element("details", [summary, ...about, list], { id: `type-${type.name}` });
  details.dataset.words = [type.name, ...rows.map((row) => row.name)].join(" ").toLowerCase();
  return details;
}

async function loadDocs() {
  const { body } = await ask(SCHEMA, {});
  if (!body.data) throw new Error(body.errors?.[0]?.message ?? "no schema");
  const schema = body.data.__schema;
  const roots = [schema.queryType, schema.mutationType, schema.subscriptionType].filter(Boolean).map((root) => root.name);
  const types = schema.types.filter((type) => !type.name.startsWith("__"));
  const rank = (type) => (roots.includes(type.name) ? roots.indexOf(type.name) : roots.length);
  types.sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
  at("docs").replaceChildren(...types.map(describe));
  roots.forEach((name) => { at(`type-${name}`).open = true; });
}

function choose(name) {
  at("query").value = EXAMPLES[name].query;
  at("variables").value = JSON.stringify(EXAMPLES[name].variables, null, 2);
}

function filterDocs() {
  const wanted = at("filter").value.trim().toLowerCase();
  for (const details of at("docs").querySelectorAll("details")) {
    details.hidden = !details.dataset.words.includes(wanted);
  }
}

at("examples").append(...Object.keys(EXAMPLES).map((name) => element("option", name, { value: name })));
at("examples").addEventListener("change", (event) => choose(event.target.value));
at("token").value = sessionStorage.getItem("token") ?? "";
at("token").addEventListener("input", (event) => sessionStorage.setItem("token", event.target.value));
at("filter").addEventListener("input", filterDocs);
at("run").addEventListener("click", run);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
});
at("docs").addEventListener("click", (event) => {
  const target = event.target.closest("a") && document.querySelector(event.target.getAttribute("href"));
  if (target) target.open = true;
});
choose("Free slots");
loadDocs().catch((error) => at("docs").replaceChildren(`The schema could not be loaded: ${error.message}`));
