"""One run, from a fresh mesh to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from devkit.chaos import matrix
from devkit.chaos.client import OFFERS, TIMEOUT_SECONDS, Browser, Edge
from devkit.chaos.faults import Faults
from devkit.chaos.journeys import Journeys
from devkit.chaos.ledger import Ledger, View
from devkit.chaos.mesh import Mesh, forget, running
from devkit.chaos.people import NONE, Cast, cast, open_hours
from devkit.chaos.plan import Journey, Plan, drawn
from devkit.chaos.report import Run
from devkit.chaos.rest import Rest, audited, calm, rested, state
from devkit.chaos.verdict import moneys, oversold, untruths

#: Journeys under way at once, and how many bookings are looked at side by side in the end.
MOST_AT_ONCE, LOOKS_AT_ONCE = 60, 8
LOOK_SECONDS = 20.0
WEBHOOK_ANSWERS = frozenset({0, 200, 503})
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a run acts with."""

    mesh: Mesh
    control: httpx.AsyncClient
    faults: Faults
    edge: Edge
    journeys: Journeys
    people: Cast
    offers: frozenset[str]
    ledger: Ledger


async def run(
    seed: int,
    seconds: float,
    *,
    full: bool = False,
    dying: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    tell: Tell = print,
) -> Run:
    """A whole run on a mesh of its own. `settings` change the mesh's; every breach is in the answer's findings.

    First, each of the programs `dying` (all of them when `full`) is killed once in each state of a saga.
    """
    began, ledger = time.monotonic(), Ledger()
    async with running(settings or {}) as mesh:
        tell(f"the mesh is up; its log: {mesh.log}")
        async with _staged(mesh, ledger) as stage:
            cells = await matrix.walked(stage, matrix.PROGRAMS if full else dying, tell)
            await _soaked(stage, drawn(seed, seconds), tell)
            rest = await _judged(stage, tell)
    ledger.findings.extend(f"process {pid} was left alive" for pid in mesh.left_alive())
    crashes, findings = tuple(mesh.crashes()), tuple(ledger.findings)
    took = time.monotonic() - began
    ended = Run(seed, seconds, full, ledger, rest, cells, crashes, str(mesh.log), took, findings)
    if not ended.is_to_be_looked_at:
        forget(mesh)
    return ended


@contextlib.asynccontextmanager
async def _staged(mesh: Mesh, ledger: Ledger) -> AsyncIterator[Stage]:
    unkept = httpx.Limits(max_keepalive_connections=0)  # a lost connection then means a dead peer, nothing else
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=unkept) as http,
        httpx.AsyncClient(base_url=mesh.layout.url("sandbox"), timeout=TIMEOUT_SECONDS, limits=unkept) as control,
    ):
        edge = Edge(http, mesh.layout, mesh.layout.signer(), ledger, mesh.was_down)
        people = cast(datetime.now(UTC))
        offers = await _offers(edge, people)
        journeys = Journeys(edge, Browser(http, mesh.layout, ledger), control, people, ledger, offers)
        await open_hours(edge, people)
        yield Stage(mesh, control, Faults(mesh, control, ledger), edge, journeys, people, offers, ledger)


async def _offers(edge: Edge, people: Cast) -> frozenset[str]:
    """The fields that this edge has."""
    schema = (await edge.ask(("student", people.students[0]), OFFERS, NONE)).value
    return frozenset(field["name"] for kind in schema.values() for field in kind["fields"])


async def _soaked(stage: Stage, plan: Plan, tell: Tell) -> None:
    """Journeys and blows at their times; journeys that are under way in the end may finish."""
    tell(f"{len(plan.journeys)} journeys, {len(plan.blows)} blows")
    began, room = asyncio.get_running_loop().time(), asyncio.Semaphore(MOST_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.faults.fall(plan.blows, began))
        for journey in plan.journeys:
            await asyncio.sleep(max(0.0, began + journey.at - asyncio.get_running_loop().time()))
            await room.acquire()
            group.create_task(_lived(stage, journey)).add_done_callback(lambda _: room.release())


async def _lived(stage: Stage, journey: Journey) -> None:
    """A journey; an answer that it cannot make sense of is a finding, and the others go on."""
    try:
        await stage.journeys.live(journey)
    except Exception:
        stage.ledger.finds(f"journey {journey.number} broke off: {traceback.format_exc(limit=-3)}")


async def _judged(stage: Stage, tell: Tell) -> Rest:
    tell("faults off; waiting until everything rests")
    await calm(stage.faults, stage.control, stage.mesh, stage.ledger)
    await stage.faults.settled()
    rest = await rested(stage.mesh, stage.control, stage.ledger)
    rest.audit = await audited(stage.mesh, stage.ledger)
    await _looked_at(stage)
    known = await state(stage.control)
    views = stage.ledger.views.values()
    stage.ledger.findings += [*untruths(views, moneys(known)), *oversold(views)]
    odd = {each["status"] for each in known["deliveries"]} - WEBHOOK_ANSWERS
    if odd:
        stage.ledger.finds(f"webhooks were answered with {sorted(odd)}")
    stage.ledger.findings += stage.mesh.uncalled_deaths()
    return rest


async def _looked_at(stage: Stage) -> None:
    """Each booking and enrollment as its student sees it now that everything rests."""
    room = asyncio.Semaphore(LOOKS_AT_ONCE)
    deadline = time.monotonic() + LOOK_SECONDS + len(stage.ledger.views) / 20

    async def look(view: View) -> None:
        async with room:
            while not view.final and time.monotonic() < deadline:
                view.final = await stage.journeys.look(view)

    await asyncio.gather(*map(look, stage.ledger.views.values()))
