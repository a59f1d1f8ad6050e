"""The tutors whom pages may list, each with the soonest free time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from availability_svc.domain import ListedTutor, Schedule, Span
from availability_svc.limits import Terms
from availability_svc.schedules import MINUTE, free_slots
from availability_svc.store import ScheduleStore
from mesh.database import Database
from mesh.errors import BadInput

#: How far ahead the soonest free time is looked for.
REACH = timedelta(days=14)
#: How old an answer about free time may be. Sales, holds and blocks in between are not seen.
FRESH_SECONDS = 30.0
#: Of more tutors than this, those that were listed least recently are forgotten.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """The soonest free time of a schedule, as of an instant of this process's clock."""

    schedule: Schedule
    next_free: datetime | None
    at: float

    def holds(self, schedule: Schedule, now: datetime, at: float) -> bool:
        """False once it is old, of another schedule, or too late to be booked."""
        is_over = self.next_free is not None and schedule.is_too_soon(self.next_free, now)
        return self.schedule == schedule and at - self.at < FRESH_SECONDS and not is_over


class Tutors:
    """Lists tutors. The free time of those that it does not remember is read in one statement, one page at a time."""

    def __init__(self, database: Database, terms: Terms, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._terms, self._clock = database, terms, clock
        self._answers: OrderedDict[UUID, _Answer] = OrderedDict()
        self._reading = asyncio.Lock()

    async def list_page(self, after: UUID | None, most: int) -> list[ListedTutor]:
        """At most so many listed tutors behind this one, in the order of their ids."""
        found = await self._database.statement(lambda connection: ScheduleStore(connection).list_listed(after, most))
        if not found:
            return []
        schedules, now = [schedule for schedule, _ in found], found[0][1]
        async with self._reading:  # whoever waited finds what the one before has remembered
            answers = self._recall(schedules, now)
            unknown = [schedule for schedule in schedules if schedule.tutor_id not in answers]
            if unknown:
                answers |= await self._find_free(unknown, now)
        return [ListedTutor(schedule, answers[schedule.tutor_id].next_free) for schedule in schedules]

    def _recall(self, schedules: Sequence[Schedule], now: datetime) -> dict[UUID, _Answer]:
        """The answers that still hold."""
        at = self._clock()
        known = ((schedule, self._answers.get(schedule.tutor_id)) for schedule in schedules)
        return {schedule.tutor_id: answer for schedule, answer in known if answer and answer.holds(schedule, now, at)}

    async def _find_free(self, schedules: Sequence[Schedule], now: datetime) -> dict[UUID, _Answer]:
        """Find the soonest free time of each, and remember it. Other requests get their turn between two tutors."""
        at, answers = self._clock(), dict[UUID, _Answer]()
        ends = {schedule.tutor_id: _reach(schedule, now) for schedule in schedules}
        busy = await self._database.transaction(
            lambda connection: ScheduleStore(connection).read_busy_of_many(now, ends, self._terms.grace)
        )
        for schedule in schedules:
            answer = _Answer(schedule, soonest_free(schedule, busy[schedule.tutor_id], now), at)
            answers[schedule.tutor_id] = answer
            self._remember(answer)
            await asyncio.sleep(0)
        return answers

    def _remember(self, answer: _Answer) -> None:
        self._answers[answer.schedule.tutor_id] = answer
        self._answers.move_to_end(answer.schedule.tutor_id)
        while len(self._answers) > MOST_REMEMBERED:
            self._answers.popitem(last=False)


def soonest_free(schedule: Schedule, busy: Sequence[Span], now: datetime) -> datetime | None:
    """The soonest start, within REACH, of a free slot of the shortest length that is sold; None when there is none.

    It looks at MOST_STARTS starts at most. `busy` are the claimed spans until `_reach`, in order.
    """
    minutes = schedule.shortest_sold
    if minutes is None:
        return None
    try:
        slot = next(free_slots(schedule, busy, Span(now, now + REACH), minutes * MINUTE, now), None)
    except BadInput:  # more than MOST_STARTS starts, and none of these is free
        return None
    return slot.start if slot else None


def _reach(schedule: Schedule, now: datetime) -> datetime:
    """Until when claims matter: the last slot and the buffer behind it end there."""
    return now + REACH + ((schedule.shortest_sold or 0) + schedule.buffer) * MINUTE
