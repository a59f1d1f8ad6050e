"""One run, from a new mesh to its findings."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime

import httpx

from devkit.chaos import kill_matrix
from devkit.chaos.checks.crashes import find_crashes
from devkit.chaos.checks.promises import find_broken_promises, find_oversold_courses, read_payments
from devkit.chaos.checks.quiesce import Ending, fetch_state, run_audit, stop_faults, wait_until_quiescent
from devkit.chaos.clients.apps import OFFERS, TIMEOUT_SECONDS, Browser, Edge
from devkit.chaos.clients.journeys import Journeys
from devkit.chaos.clients.people import NONE, People, make_people, open_hours
from devkit.chaos.context import Context
from devkit.chaos.faults import FaultInjector
from devkit.chaos.ledger import Ledger, View
from devkit.chaos.mesh import Mesh, remove_folder, run_mesh
from devkit.chaos.plan import Journey, Plan, draw_plan
from devkit.chaos.report import Run

#: How many journeys run at the same time, and how many bookings are read at the same time in the end.
MOST_AT_ONCE, LOOKS_AT_ONCE = 60, 8
LOOK_SECONDS = 20.0
WEBHOOK_ANSWERS = frozenset({0, 200, 503})
Tell = Callable[[str], None]


async def run(
    seed: int,
    seconds: float,
    *,
    full: bool = False,
    dying: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    tell: Tell = print,
) -> Run:
    """Run on a mesh of its own, and return the result with all findings. `settings` override the mesh's settings.

    At first each program of `dying`, or every program when `full`, is killed once in each state of a saga.
    """
    began, ledger = time.monotonic(), Ledger()
    async with run_mesh(settings or {}) as mesh:
        tell(f"the mesh is up; its log: {mesh.log}")
        async with _open_context(mesh, ledger) as context:
            cells = await kill_matrix.walk_matrix(context, kill_matrix.PROGRAMS if full else dying, tell)
            await _run_plan(context, draw_plan(seed, seconds), tell)
            ending = await _judge(context, tell)
    ledger.findings.extend(f"process {pid} was left alive" for pid in mesh.find_survivors())
    with mesh.log.open(errors="replace") as lines:
        crashes = tuple(find_crashes(lines))
    took, findings = time.monotonic() - began, tuple(ledger.findings)
    ended = Run(seed, seconds, full, ledger, ending, cells, crashes, str(mesh.log), took, findings)
    if not ended.needs_attention:
        remove_folder(mesh)
    return ended


@contextlib.asynccontextmanager
async def _open_context(mesh: Mesh, ledger: Ledger) -> AsyncIterator[Context]:
    unkept = httpx.Limits(max_keepalive_connections=0)  # so that a lost connection always means a dead peer
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=unkept, trust_env=False) as http,
        httpx.AsyncClient(
            base_url=mesh.layout.url("sandbox"), timeout=TIMEOUT_SECONDS, limits=unkept, trust_env=False
        ) as control,
    ):
        edge = Edge(http, mesh.layout, mesh.layout.signer(), ledger, mesh.was_down)
        people = make_people(datetime.now(UTC))
        offers = await _fetch_offers(edge, people)
        journeys = Journeys(edge, Browser(http, mesh.layout, ledger), control, people, ledger, offers)
        await open_hours(edge, people)
        yield Context(mesh, control, FaultInjector(mesh, control, ledger), edge, journeys, people, offers, ledger)


async def _fetch_offers(edge: Edge, people: People) -> frozenset[str]:
    """Read the names of all queries and mutations of this edge."""
    schema = (await edge.ask(("student", people.student(0)), OFFERS, NONE)).value
    return frozenset(field["name"] for kind in schema.values() for field in kind["fields"])


async def _run_plan(context: Context, plan: Plan, tell: Tell) -> None:
    """Start every journey and every fault at its time, and let the last journeys finish."""
    tell(f"{len(plan.journeys)} journeys, {len(plan.faults)} faults")
    began, room = asyncio.get_running_loop().time(), asyncio.Semaphore(MOST_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        group.create_task(context.injector.inject_all(plan.faults, began))
        for journey in plan.journeys:
            await asyncio.sleep(max(0.0, began + journey.at - asyncio.get_running_loop().time()))
            await room.acquire()
            group.create_task(_run_journey(context, journey)).add_done_callback(lambda _: room.release())


async def _run_journey(context: Context, journey: Journey) -> None:
    """Run a journey. An unexpected answer that stops it is a finding, and the other journeys go on."""
    try:
        await context.journeys.run(journey)
    except Exception:
        context.ledger.add_finding(f"journey {journey.number} broke off: {traceback.format_exc(limit=-3)}")


async def _judge(context: Context, tell: Tell) -> Ending:
    tell("faults off; waiting until the mesh has quiesced")
    await stop_faults(context.injector, context.control, context.mesh, context.ledger)
    await context.injector.wait_for_takeovers()
    ending = await wait_until_quiescent(context.mesh, context.control, context.ledger)
    ending.audit = await run_audit(context.mesh, context.ledger)
    await _read_final_states(context)
    known = await fetch_state(context.control)
    views = context.ledger.views.values()
    context.ledger.findings += [*find_broken_promises(views, read_payments(known)), *find_oversold_courses(views)]
    odd = {each["status"] for each in known["deliveries"]} - WEBHOOK_ANSWERS
    if odd:
        context.ledger.add_finding(f"webhooks were answered with {sorted(odd)}")
    context.ledger.findings += context.mesh.unexpected_deaths()
    return ending


async def _read_final_states(context: Context) -> None:
    """Read each booking and enrollment as its student sees it, after the mesh has quiesced."""
    room = asyncio.Semaphore(LOOKS_AT_ONCE)
    deadline = time.monotonic() + LOOK_SECONDS + len(context.ledger.views) / 20

    async def look(view: View) -> None:
        async with room:
            while not view.final and time.monotonic() < deadline:
                view.final = await context.journeys.look(view)

    await asyncio.gather(*map(look, context.ledger.views.values()))
