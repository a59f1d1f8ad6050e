"""The kill -9 matrix: each program dies once while a saga is in each of its states, and the sale ends as if nothing had.

A saga is caught in a state by a provider that is slow, a service that is frozen, or a student who thinks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from devkit.chaos.ledger import View
from devkit.chaos.plan import CREATE, REFUNDS, STUDENTS, TUTORS, Cancel, Journey, Trouble
from devkit.chaos.rest import calm
from devkit.chaos.verdict import ENDED

if TYPE_CHECKING:
    from devkit.chaos.run import Stage

PROGRAMS = ("payment", "booking", "availability", "session", "bff", "sandbox", "postgres")
#: Half hours that no random journey asks for.
FIRST_SLOT, FIRST_NUMBER = 2000, 1_000_000
REACHED_SECONDS, END_SECONDS, SLOW_MS = 15.0, 40.0, 2500
_VISA, _DECLINED = ("visa",), ("chargeDeclined",) * 3
_CAUGHT = """
    select id, lease_owner from saga
    where student_id = $1 and booking_id in (select booking_id from saga where time_slot = $2) and state = any($3)
      and kind = $4 and not is_complete
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A state to die in: how a saga is kept there, what its person does, and how the booking has to end."""

    name: str
    states: tuple[str, ...]
    end: str
    cards: tuple[str, ...] = _VISA
    think: float = 0.0
    kind: str = "BookAndPayForSessionSaga"
    slow: tuple[str, str] | None = None
    frozen: str = ""
    trouble: Trouble | None = None
    cancel: Cancel | None = None


SCENES = (
    Scene("AWAITING_AVAILABILITY", ("AWAITING_AVAILABILITY",), "CONFIRMED", slow=CREATE),
    Scene("AWAITING_PAYMENT", ("AWAITING_PAYMENT",), "CONFIRMED", think=2.5),
    Scene("BOOKING_SESSION", ("BOOKING_SESSION",), "CONFIRMED", frozen="session"),
    Scene(
        "COMPENSATING", ("COMPENSATING",), "PAYMENT_FAILED", cards=_DECLINED,
        trouble=Trouble("POST", "/cancel", "slow", 1, SLOW_MS),
    ),
    Scene(
        "CancelBookingSaga", ("BOOKING_SESSION", "COMPENSATING"), "CANCELLED", kind="CancelBookingSaga", slow=REFUNDS,
        cancel=Cancel(3.0, "student", 1, quoted=False),
    ),
)  # fmt: skip


async def walked(stage: Stage, programs: Sequence[str], tell: Callable[[str], None]) -> tuple[str, ...]:
    """Every cell of these programs, one after another; what each was. A cell that ends otherwise is a finding."""
    scenes = [scene for scene in SCENES if scene.cancel is None or "cancelBooking" in stage.offers]
    told: list[str] = []
    for number, (scene, program) in enumerate((scene, program) for scene in scenes for program in programs):
        began = time.monotonic()
        ended = await _cell(stage, scene, program, number)
        told.append(f"{scene.name} x {program}: {ended} after {time.monotonic() - began:.1f} s")
        tell(told[-1])
    return tuple(told)


async def _cell(stage: Stage, scene: Scene, program: str, number: int) -> str:
    journey = _journey(scene, number)
    await calm(stage.faults, stage.control, stage.mesh)
    if scene.slow is not None:
        await stage.faults.trouble(Trouble(*scene.slow, "slow", 1, SLOW_MS))
    async with _frozen(stage, scene.frozen):
        living = asyncio.create_task(stage.journeys.live(journey))
        caught = await _caught(stage, scene, journey)
        if caught is None:
            stage.ledger.finds(f"{scene.name} x {program}: no saga came into the state")
        else:
            stage.faults.kill(program, stage.mesh.replica(program, caught["lease_owner"]) or 0.0)
    return await _ended(stage, scene, program, await living)


def _journey(scene: Scene, number: int) -> Journey:
    return Journey(
        number=FIRST_NUMBER + number, at=0.0, student=number % STUDENTS, tutor=number % TUTORS,
        slot=FIRST_SLOT + 2 * number, keyed=True, at_once=1, think=scene.think, cards=scene.cards, repeats=False,
        cancel=scene.cancel, trouble=scene.trouble,
    )  # fmt: skip


async def _caught(stage: Stage, scene: Scene, journey: Journey) -> Mapping[str, Any] | None:
    """The saga of this journey once it is in the scene's state; None when it never comes there."""
    student = UUID(stage.people.students[journey.student])
    start = stage.people.start(journey.tutor, journey.slot)
    connection = await asyncpg.connect(stage.mesh.database("payment"), timeout=10)
    deadline = time.monotonic() + REACHED_SECONDS
    try:
        while time.monotonic() < deadline:
            row = await connection.fetchrow(_CAUGHT, student, start, list(scene.states), scene.kind)
            if row is not None:
                return dict(row)
            await asyncio.sleep(0.02)
    finally:
        await connection.close(timeout=5)
    return None


@contextlib.asynccontextmanager
async def _frozen(stage: Stage, program: str) -> AsyncIterator[None]:
    """A program that answers nothing meanwhile."""
    stopped = stage.mesh.freeze(program) if program else []
    try:
        yield
    finally:
        stage.mesh.thaw(stopped)


async def _ended(stage: Stage, scene: Scene, program: str, view: View | None) -> str:
    """How the booking ended; a finding unless it is as it would have been."""
    if view is None:
        stage.ledger.finds(f"{scene.name} x {program}: the booking was never answered")
        return "no booking"
    deadline, status = time.monotonic() + END_SECONDS, ""
    while status not in (ENDED if scene.cancel is None else {scene.end}) and time.monotonic() < deadline:
        status = await stage.journeys.look(view)
        await asyncio.sleep(0.1)
    ran_out = status == "EXPIRED" and not view.paid  # recovery and the student together took longer than the hold
    if status != scene.end and not ran_out:
        stage.ledger.finds(f"{scene.name} x {program}: booking {view.booking} (saga {view.saga}) is {status}")
    return status
