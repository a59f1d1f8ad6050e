"""The kill -9 matrix: each program dies while sagas are in each of their states, and the sales end as if nothing had.

A lesson and a place in a course are sold side by side, and are mostly in a state together; a program that both sagas
need dies once for both then. They are caught there by a provider that is slow, services that are frozen, or students
who think.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from devkit.chaos.ledger import View
from devkit.chaos.plan import CREATE, REFUNDS, STUDENTS, TUTORS, Cancel, Journey, Trouble
from devkit.chaos.rest import calm
from devkit.chaos.verdict import ENDS
from devkit.chaos.wares import Lesson, Place, Wish

if TYPE_CHECKING:
    from devkit.chaos.run import Stage

PROGRAMS = ("payment", "booking", "availability", "session", "learning", "bff", "sandbox", "postgres")
#: Half hours and courses that no random journey asks for.
FIRST_SLOT, FIRST_NUMBER, FIRST_COURSE = 2000, 1_000_000, 1_000_000
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
class Scene:
    """A state to die in: how sagas are kept there, what their people do, and how what they sell has to end.

    `frozen` are stopped once both are told what to pay for.
    """

    name: str
    states: tuple[str, ...]
    end: str = SOLD
    cards: tuple[str, ...] = _VISA
    think: float = 0.0
    kinds: tuple[str, ...] = ("BookAndPayForSessionSaga", "EnrollInCourseSaga")
    slow: tuple[str, str] | None = None
    frozen: tuple[str, ...] = ()
    trouble: Trouble | None = None
    cancel: Cancel | None = None


SCENES = (
    Scene("AWAITING_AVAILABILITY", ("AWAITING_AVAILABILITY",), slow=CREATE),
    Scene("AWAITING_PAYMENT", ("AWAITING_PAYMENT",), think=2.5),
    Scene("BOOKING_SESSION", ("BOOKING_SESSION",), think=1.0, frozen=("session", "learning")),
    Scene(
        "COMPENSATING", ("COMPENSATING",), "PAYMENT_FAILED", cards=_DECLINED,
        trouble=Trouble("POST", "/cancel", "slow", 1, SLOW_MS),
    ),
    Scene(
        "cancel", ("BOOKING_SESSION", "COMPENSATING"), "CANCELLED", slow=REFUNDS,
        kinds=("CancelBookingSaga", "CancelEnrollmentSaga"), cancel=Cancel(3.0, "student", 1, quoted=False),
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
    await calm(stage.faults, stage.control, stage.mesh, stage.ledger)
    journeys = _journeys(scene, number)
    for journey in journeys:
        if isinstance(journey.wish, Place):
            await stage.people.open(stage.edge, journey.wish, time.time() + REACHED_SECONDS)
    if scene.slow is not None:
        await stage.faults.trouble(Trouble(*scene.slow, "slow", len(journeys), SLOW_MS))
    lives = [asyncio.create_task(stage.journeys.live(journey)) for journey in journeys]
    if scene.frozen:
        await _told(stage, journeys)
    async with _frozen(stage, scene.frozen):
        await _struck(stage, scene, program, journeys)
    return " and ".join([await _ended(stage, scene, program, await living) for living in lives])


def _journeys(scene: Scene, number: int) -> tuple[Journey, ...]:
    tutor = number % TUTORS
    wishes: tuple[Wish, ...] = (Lesson(tutor, FIRST_SLOT + 2 * number), Place(FIRST_COURSE + number, tutor, seats=1))
    return tuple(
        Journey(
            number=FIRST_NUMBER + len(wishes) * number + nth, at=0.0, student=number % STUDENTS, wish=wish, keyed=True,
            at_once=1, think=scene.think, cards=scene.cards, repeats=False, cancel=scene.cancel, trouble=scene.trouble,
        )
        for nth, wish in enumerate(wishes)
    )  # fmt: skip


async def _told(stage: Stage, journeys: Sequence[Journey]) -> None:
    """Return once both are told what to pay for."""
    deadline = time.monotonic() + REACHED_SECONDS
    while not all(stage.ledger.was_given(journey) for journey in journeys) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _struck(stage: Stage, scene: Scene, program: str, journeys: Sequence[Journey]) -> None:
    """Kill the program while the sagas are in the scene's state: at once when they are there together."""
    waiting = {journey.key: journey for journey in journeys}
    while waiting:
        caught = await _caught(stage, scene, waiting)
        if not caught:
            for journey in waiting.values():
                stage.ledger.finds(f"{scene.name} x {program}: no saga came into the state, of {journey.wish}")
            return
        picks = {stage.mesh.replica(program, owner) for owner in caught.values()} - {None}
        for pick in picks or {0.0}:
            stage.faults.kill(program, pick or 0.0)
        waiting = {key: journey for key, journey in waiting.items() if key not in caught}


async def _caught(stage: Stage, scene: Scene, waiting: Mapping[str, Journey]) -> dict[str, str | None]:
    """Who drives the sagas that are in the scene's state, by the journeys' keys: all of them, or those that are there
    while another does not come; none when nobody comes."""
    student = UUID(stage.people.students[next(iter(waiting.values())).student])
    connection = await asyncpg.connect(stage.mesh.database("payment"), timeout=10)
    deadline = time.monotonic() + REACHED_SECONDS
    try:
        while time.monotonic() < deadline:
            rows = await connection.fetch(_CAUGHT, student, list(waiting), list(scene.states), list(scene.kinds))
            if len(rows) == len(waiting):
                break
            if rows:
                deadline = min(deadline, time.monotonic() + TOGETHER_SECONDS)
            await asyncio.sleep(0.02)
        return {row["key"]: row["lease_owner"] for row in rows}
    finally:
        await connection.close(timeout=5)


@contextlib.asynccontextmanager
async def _frozen(stage: Stage, programs: Sequence[str]) -> AsyncIterator[None]:
    """Programs that answer nothing meanwhile."""
    stopped = [process for program in programs for process in stage.mesh.freeze(program)]
    try:
        yield
    finally:
        stage.mesh.thaw(stopped)


async def _ended(stage: Stage, scene: Scene, program: str, view: View | None) -> str:
    """How what was sold ended; a finding unless it is as it would have been."""
    if view is None:
        stage.ledger.finds(f"{scene.name} x {program}: a wish was never answered")
        return "nothing"
    wanted = view.ware.live if scene.end is SOLD else scene.end
    deadline, status = time.monotonic() + END_SECONDS, ""
    ends = {view.ware.live} | ENDS if scene.cancel is None else {wanted}
    while status not in ends and time.monotonic() < deadline:
        status = await stage.journeys.look(view)
        await asyncio.sleep(0.1)
    ran_out = status == "EXPIRED" and not view.paid  # recovery and the student together took longer than the hold
    if status != wanted and not ran_out:
        stage.ledger.finds(f"{scene.name} x {program}: {view.name} is {status}")
    return status
