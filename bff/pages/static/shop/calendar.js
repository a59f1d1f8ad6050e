// A tutor's week: free hours, holds, lessons and blocks.

import { ask, now, rest } from "./api.js";
import { at, button, h, heading, link, openDialog, show } from "./dom.js";
import { loadFree } from "./find.js";
import { askToCancel, countdown } from "./holds.js";
import { money, nameOf, t } from "./texts.js";
import { addDays, dayOf, dayStart, instant, local, longDay, ms, span, weekOf } from "./time.js";
import { week, weekBar } from "./week.js";

const EVERY_MS = 10_000, DAY = 86_400_000;
const KINDS = ["free", "held", "booked", "blocked"], shown = new Set(KINDS);

/** `#week/DAY`. The week is asked for again every few seconds: a tutor is told of no new booking. */
export async function calendar({ place, path: [day], person, signal, reload, fail, today }) {
  const days = weekOf(day ?? today), begin = dayStart(days[0]), end = dayStart(addDays(days[6], 1));
  const blocks = `/api/v1/instructors/${person.id}/availability/block`;
  let hours;
  let items = await load();
  if (signal.aborted) return;
  draw();
  const timer = setInterval(() => document.hidden || load().then(redraw, fail), EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));

  async function load() {
    const { getMyBookings, myBlocks, myAvailability } = await ask("TutorWeek", { from: new Date(begin - DAY), to: new Date(end) });
    hours = myAvailability;
    const slots = hours ? await loadFree(person.id, stretch(hours), Math.max(now(), begin), end) : [];
    return [
      ...joined(slots),
      ...getMyBookings.nodes.filter(({ status }) => status in STATES).map((lesson) =>
        ({ ...lesson, kind: STATES[lesson.status], start: lesson.startTime, end: lesson.endTime, about: nameOf(lesson.studentId) })),
      ...myBlocks.nodes.map((block) => ({ ...block, kind: "blocked", about: block.reason })),
    ];
  }

  function redraw(found) {
    if (signal.aborted || JSON.stringify(found) === JSON.stringify(items)) return;
    items = found;
    draw();
  }

  function draw() {
    const filter = (kind) => {
      const toggle = button(kind, t(`kinds.${kind}`), () => { if (!shown.delete(kind)) shown.add(kind); draw(); }, `quiet compact key ${kind}`);
      toggle.ariaPressed = shown.has(kind);
      return toggle;
    };
    show(place, heading(t("week.title")), !hours && h("div", { class: "notice row spread" }, t("week.unpublished"), link("hours", t("nav.hours"), "#hours")),
      h("div", { class: "row spread" }, weekBar(days, today, (other) => `#week/${other}`), button("block", t("block.open"), () => block(), "")),
      h("div", { class: "row", role: "group", "aria-label": t("week.filter") }, KINDS.map(filter)),
      week(days, items.filter(({ kind }) => shown.has(kind)).map((item) => ({ ...item, make: () => entry(item) })), { parts: 4, today, none: t("week.none") }));
  }

  function entry(item) {
    const { kind, start, end: over, about, id } = item;
    const element = button(`${kind}-${id ?? start}`, "", () => (kind === "free" ? block(item) : details(item)), `event ${kind}`);
    element.append(h("span", { class: "number" }, span(start, over)), h("strong", {}, t(`kinds.${kind}`)), about ? h("bdi", {}, about) : "");
    return element;
  }

  /** What there is to know about a lesson, a hold or a block, and what can be done about it. */
  function details({ kind, id, start, end: over, about, purpose, price, holdExpiresAt, session }) {
    const { box, fields, part } = openDialog("details", async () => {
      if (kind !== "blocked") return void askToCancel("Lesson", id, reload);
      await rest("DELETE", `${blocks}/${id}`);
      reload();
    });
    part("title").textContent = [t(`kinds.${kind}`), about].filter(Boolean).join(": ");
    fields.act.textContent = t(kind === "blocked" ? "block.remove" : "cancel.open");
    fields.act.hidden = kind !== "blocked" && ms(start) < now();
    show(part("about"), h("p", { class: "large" }, `${longDay(start)} · ${span(start, over)}`), price && h("p", {}, money(price)), purpose && h("p", {}, purpose),
      holdExpiresAt && h("p", {}, countdown(holdExpiresAt)), link("join", t("lessons.join"), session?.meetingLink, { target: "_blank", rel: "noopener noreferrer" }));
    return box;
  }

  function block({ start, end: over } = {}) {
    const { fields } = openDialog("block", async () => {
      const [from, to] = [fields.from, fields.to].map(({ value }) => new Date(instant(value)));
      await rest("POST", blocks, { blocks: [{ start_time: from, end_time: to, reason: fields.reason.value.trim() || null }] });
      reload();
    });
    if (start) [fields.from.value, fields.to.value] = [local(start), local(over)];
  }
}

const STATES = { PAYMENT_REQUIRED: "held", CONFIRMED: "booked" };

/** Lessons of this length leave no gap between two starts, where such lessons are given. */
const stretch = ({ shortestLessonMinutes: least, longestLessonMinutes: most, startEveryMinutes: every }) => Math.min(most, Math.max(least, every));

/** The slots as the free stretches that they cover. */
function joined(slots) {
  const free = [];
  for (const { start, end } of slots) {
    const last = free.at(-1);
    if (last && ms(start) <= ms(last.end)) last.end = end;
    else free.push({ kind: "free", start, end });
  }
  return free;
}
