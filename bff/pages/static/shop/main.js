// The shop of a developer's mesh, and an example for an app: it talks to the public GraphQL and REST alone.
// Only the demo people's tokens come from the developer's kit.

import { find as at } from "../base.js";
import { signIn } from "./api.js";
import { button, h, offerZone, show } from "./dom.js";
import { find } from "./find.js";
import { courses, lessons } from "./lessons.js";
import { calendar, hours } from "./tutor.js";
import { dayOf, explain, names, ownZone, showTimesIn, t } from "./words.js";

const VIEWS = { student: { find, lessons, courses }, tutor: { week: calendar, hours } }, place = at("view");
let people = [], person, leave = new AbortController();

async function start() {
	const answer = await fetch("/graphql/explorer/people").catch(() => null);
	people = (await answer?.json())?.people ?? people;
	for (const { id, name } of people) if (!names.has(id)) names.set(id, name);
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
	const { signal } = leave, fail = (problem) => signal.aborted || tell(problem);
	at("bar").hidden = !person;
	show(at("tabs"), Object.keys(views).map((one) => h("a", { href: `#${one}`, "data-key": one, "aria-current": one === name && "page" }, t(`nav.${one}`))));
	for (const language of document.querySelectorAll(".languages a")) language.hash = location.hash;
	tell();
	place.ariaBusy = String(!!person);
	if (!person) return chooseSomebody();
	at("who").textContent = person.name;
	await views[name]({ place, path, person, signal, fail, reload: open, go, today: dayOf(Date.now()) }).catch(fail);
	if (!signal.aborted) place.ariaBusy = "false";
}

const go = (hash) => { location.hash = hash; };

function tell(problem) {
	const isOver = problem?.code === "UNAUTHENTICATED";
	show(at("problem"), problem && h("div.notice.bad.row.spread", explain(problem), button("again", t(isOver ? "login.again" : "again"), isOver ? start : open)));
}

function chooseSomebody() {
	show(place, at("login").content.cloneNode(true));
	place.querySelector(people.length ? ".notice" : ".cards").remove();
	for (const one of people) place.querySelector(`[data-role=${one.role}]`).append(h("li", button(one.id, one.name, () => { go(""); become(one); }, "")));
}

offerZone(ownZone);
at("zone").onchange = ({ target }) => { showTimesIn(target.value); open(); };
at("leave").onclick = () => become();
onhashchange = open;
start();
