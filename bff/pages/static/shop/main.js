// The shop of a developer's mesh, and an example for an app: it talks to the public GraphQL and REST alone.
// The address's hash says what is shown. Only the demo people's tokens come from the developer's kit.

import { signIn } from "./api.js";
import { calendar } from "./calendar.js";
import { courses } from "./courses.js";
import { at, button, h, heading, show } from "./dom.js";
import { find } from "./find.js";
import { hours } from "./hours.js";
import { lessons } from "./lessons.js";
import { explain, names, t } from "./texts.js";
import { dayOf, setZone, zone, zones } from "./time.js";

const VIEWS = { student: { find, lessons, courses }, tutor: { week: calendar, hours } };
const place = at("view");
let people = [], person, leave = new AbortController();

/** Takes fresh tokens, and shows what the address says. */
async function start() {
  const answer = await fetch("/graphql/explorer/people").catch(() => null);
  people = (await answer?.json())?.people ?? people;
  people.forEach(({ id, name }) => names.has(id) || names.set(id, name));
  become(people.find(({ id }) => id === sessionStorage.getItem("person")));
}

function become(somebody) {
  person = somebody;
  signIn(person?.token ?? "");
  sessionStorage.setItem("person", person?.id ?? "");
  open();
}

async function open() {
  const views = VIEWS[person?.role] ?? {}, [named, ...path] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const name = Object.hasOwn(views, named) ? named : Object.keys(views)[0];
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  at("bar").hidden = !person;
  show(at("tabs"), Object.keys(views).map((one) =>
    h("a", { href: `#${one}`, "data-key": one, "aria-current": one === name && "page" }, t(`nav.${one}`))));
  document.querySelectorAll(".languages a").forEach((language) => { language.hash = location.hash; });
  if (!person) return chooseSomebody();
  at("who").textContent = person.name;
  place.ariaBusy = "true";
  const fail = (problem) => signal.aborted || tell(problem);
  tell();
  try {
    await views[name]({ place, path, person, signal, fail, reload: open, go, today: dayOf(Date.now()) });
  } catch (problem) {
    fail(problem);
  }
  if (!signal.aborted) place.ariaBusy = "false";
}

const go = (hash) => { location.hash = hash; };

/** Why something did not work, and the way on. */
function tell(problem) {
  const isOver = problem?.code === "UNAUTHENTICATED";
  show(at("problem"), problem && h("div", { class: "notice bad row spread" }, explain(problem),
    button("again", t(isOver ? "login.again" : "again"), isOver ? start : open)));
}

function chooseSomebody() {
  place.ariaBusy = "false";
  tell();
  const enter = (one) => h("li", {}, button(one.id, one.name, () => { go(""); become(one); }, ""));
  const group = (role) => h("section", { class: "card stack" }, h("h2", {}, t(`login.${role}`)), h("p", { class: "soft" }, t(`login.${role}_may`)),
    h("ul", { class: "row" }, people.filter((one) => one.role === role).map(enter)));
  show(place, heading(t("login.title")), people.length ? h("div", { class: "cards" }, group("student"), group("tutor")) : h("p", { class: "notice" }, t("login.nobody")));
}

at("zone").append(...zones().map((name) => h("option", { value: name, selected: name === zone }, name.replaceAll("_", " "))));
at("zone").onchange = () => { setZone(at("zone").value); open(); };
at("leave").onclick = () => become();
addEventListener("hashchange", open);
start();
