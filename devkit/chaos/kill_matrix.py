"""The kill -9 matrix: each program is killed while sagas are in each state. The sales must end as if nothing happened.

A lesson and a seat in a course are ordered together. Mostly both sagas are in a state at the same time, and one kill
hits both. A slow provider, frozen services or a student's pause keep a saga in its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from devkit.chaos.checks.promises import ENDS
from devkit.chaos.checks.quiesce import stop_faults
from devkit.chaos.context import Context
from devkit.chaos.ledger import View
from devkit.chaos.orders import Lesson, Order, Seat
from devkit.chaos.plan import CREATE, REFUNDS, TUTORS, Cancel, Journey, ProviderFault

PROGRAMS = ("payment", "booking", "availability", "session", "learning", "bff", "sandbox", "postgres")
#: Half hours, journeys, courses and students that no random plan uses.
FIRST_SLOT, FIRST_NUMBER, FIRST_COURSE, FIRST_STUDENT = 2000, 1_000_000, 1_000_000, 1_000_000
REACHED_SECONDS, TOGETHER_SECONDS, END_SECONDS, SLOW_MS = 15.0, 0.7, 40.0, 2500
SOLD = "sold"
_VISA, _DECLINED = ("visa",), ("chargeDeclined",) * 3
_CAUGHT = """
    select mine.key, saga.lease_owner
    from idempotency_key mine
    join saga sold on sold.id = mine.saga_id
    join saga on saga.booking_id = sold.booking_id
    where mine.student_id = $1 and mine.key = any($2) and saga.state = any($3) and saga.kind = any($4)
      and not saga.is_complete
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A state to kill in: how sagas are kept in it, what their students do, and how the sales have to end.

    `slow` is a call of the provider that is slow. `frozen` names programs that are stopped when both students know
    what to pay.
    """

    name: str
    states: tuple[str, ...]
    end: str = SOLD
    cards: tuple[str, ...] = _VISA
    think: float = 0.0
    kinds: tuple[str, ...] = ("BookAndPayForSessionSaga", "EnrollInCourseSaga")
    slow: tuple[str, str] | None = None
    frozen: tuple[str, ...] = ()
    provider_fault: ProviderFault | None = None
    cancel: Cancel | None = None


SCENARIOS = (
    Scenario("AWAITING_AVAILABILITY", ("AWAITING_AVAILABILITY",), slow=CREATE),
    Scenario("AWAITING_PAYMENT", ("AWAITING_PAYMENT",), think=2.5),
    Scenario("BOOKING_SESSION", ("BOOKING_SESSION",), think=1.0, frozen=("session", "learning")),
    Scenario(
        "COMPENSATING", ("COMPENSATING",), "PAYMENT_FAILED", cards=_DECLINED,
        provider_fault=ProviderFault("POST", "/cancel", "slow", 1, SLOW_MS),
    ),
    Scenario(
        "cancel", ("BOOKING_SESSION", "COMPENSATING"), "CANCELLED", slow=REFUNDS,
        kinds=("CancelBookingSaga", "CancelEnrollmentSaga"), cancel=Cancel(3.0, "student", 1, quoted=False),
    ),
)  # fmt: skip


async def walk_matrix(context: Context, programs: Sequence[str], tell: Callable[[str], None]) -> tuple[str, ...]:
    """Run every cell of these programs, one after another, and describe each. A wrong end is a finding."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.cancel is None or "cancelBooking" in context.offers]
    lines: list[str] = []
    for number, (scenario, program) in enumerate((scenario, program) for scenario in scenarios for program in programs):
        began = time.monotonic()
        ended = await _run_cell(context, scenario, program, number)
        lines.append(f"{scenario.name} x {program}: {ended} after {time.monotonic() - began:.1f} s")
        tell(lines[-1])
    return tuple(lines)


async def _run_cell(context: Context, scenario: Scenario, program: str, number: int) -> str:
    await stop_faults(context.injector, context.control, context.mesh, context.ledger)
    journeys = _journeys(scenario, number)
    for journey in journeys:
        if isinstance(journey.order, Seat):
            await context.people.open(context.edge, journey.order, time.time() + REACHED_SECONDS)
    if scenario.slow is not None:
        await context.injector.fail_provider(ProviderFault(*scenario.slow, "slow", len(journeys), SLOW_MS))
    running = [asyncio.create_task(context.journeys.run(journey)) for journey in journeys]
    if scenario.frozen:
        await _wait_for_payment_details(context, journeys)
    async with _freeze(context, scenario.frozen):
        await _kill_in_state(context, scenario, program, journeys)
    return " and ".join([await _wait_for_end(context, scenario, program, await journey) for journey in running])


def _journeys(scenario: Scenario, number: int) -> tuple[Journey, ...]:
    tutor = number % TUTORS
    orders: tuple[Order, ...] = (Lesson(tutor, FIRST_SLOT + 2 * number), Seat(FIRST_COURSE + number, tutor, seats=1))
    return tuple(
        Journey(
            number=FIRST_NUMBER + len(orders) * number + nth, at=0.0, student=FIRST_STUDENT + number, order=order,
            keyed=True, at_once=1, think=scenario.think, cards=scenario.cards, repeats=False, cancel=scenario.cancel,
            provider_fault=scenario.provider_fault,
        )
        for nth, order in enumerate(orders)
    )  # fmt: skip


async def _wait_for_payment_details(context: Context, journeys: Sequence[Journey]) -> None:
    """Wait until all students know what to pay."""
    deadline = time.monotonic() + REACHED_SECONDS
    while not all(context.ledger.has_result(journey) for journey in journeys) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _kill_in_state(context: Context, scenario: Scenario, program: str, journeys: Sequence[Journey]) -> None:
    """Kill the program while the sagas are in the scenario's state: once for both when they are in it together."""
    waiting = {journey.key: journey for journey in journeys}
    while waiting:
        caught = await _find_owners(context, scenario, waiting)
        if not caught:
            for journey in waiting.values():
                context.ledger.add_finding(
                    f"{scenario.name} x {program}: no saga came into the state, of {journey.order}"
                )
            return
        picks = {context.mesh.replica(program, owner) for owner in caught.values()} - {None}
        for pick in picks or {0.0}:
            context.injector.kill(program, pick or 0.0)
        waiting = {key: journey for key, journey in waiting.items() if key not in caught}


async def _find_owners(context: Context, scenario: Scenario, waiting: Mapping[str, Journey]) -> dict[str, str | None]:
    """The lease owners of the sagas in the scenario's state, by their journeys' keys.

    Waits a moment for all of them. Empty when no saga comes into the state.
    """
    student = UUID(context.people.student(next(iter(waiting.values())).student))
    connection = await asyncpg.connect(context.mesh.database("payment"), timeout=10)
    deadline = time.monotonic() + REACHED_SECONDS
    try:
        while time.monotonic() < deadline:
            rows = await connection.fetch(_CAUGHT, student, list(waiting), list(scenario.states), list(scenario.kinds))
            if len(rows) == len(waiting):
                break
            if rows:
                deadline = min(deadline, time.monotonic() + TOGETHER_SECONDS)
            await asyncio.sleep(0.02)
        return {row["key"]: row["lease_owner"] for row in rows}
    finally:
        await connection.close(timeout=5)


@contextlib.asynccontextmanager
async def _freeze(context: Context, programs: Sequence[str]) -> AsyncIterator[None]:
    """Stop these programs while inside, so that they answer nothing."""
    stopped = [process for program in programs for process in context.mesh.freeze(program)]
    try:
        yield
    finally:
        context.mesh.thaw(stopped)


async def _wait_for_end(context: Context, scenario: Scenario, program: str, view: View | None) -> str:
    """Wait until the sale ends, and return its status. Another end than the scenario's is a finding."""
    if view is None:
        context.ledger.add_finding(f"{scenario.name} x {program}: an order was never answered")
        return "nothing"
    wanted = view.product.live if scenario.end is SOLD else scenario.end
    deadline, status = time.monotonic() + END_SECONDS, ""
    ends = {view.product.live} | ENDS if scenario.cancel is None else {wanted}
    while status not in ends and time.monotonic() < deadline:
        status = await context.journeys.look(view)
        await asyncio.sleep(0.1)
    hold_ended = status == "EXPIRED" and not view.paid  # the recovery and the pause took longer than the hold
    if status != wanted and not hold_ended:
        context.ledger.add_finding(f"{scenario.name} x {program}: {view.name} is {status}")
    return status
