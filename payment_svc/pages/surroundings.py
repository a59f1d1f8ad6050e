"""What the peers know about a purchase, for its pages. A peer that is away leaves its part empty: the page still opens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from mesh import clock
from mesh.errors import BadInput, CallFailed, Refusal, describe
from mesh.logs import log
from payment_svc.domain import LessonFacts, Saga, State
from payment_svc.peers import Peers
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.learning.v1 import learning_pb2 as learning
from tutormesh.session.v1 import session_pb2 as session

#: How long a page waits for a peer.
PEER_SECONDS = 1.5
MOST_FREE_TIMES = 3
#: Where free times are looked for, around the time that was wanted. The second is for a tutor with very many starts.
_RANGES = ((timedelta(days=1), timedelta(days=6)), (timedelta(hours=12), timedelta(hours=36)))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FreeTime:
    """A time that the tutor still has."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a page shows that payment's own rows do not have. The texts are written by people."""

    tutor_name: str = ""
    tutor_timezone: str = ""
    course_title: str = ""
    meeting_link: str = field(default="", repr=False)
    took_place: bool = False


@dataclass(frozen=True, slots=True)
class SurroundingsReader:
    """Reads the peers, all at once."""

    peers: Peers

    async def read(self, purchase: Saga) -> Surroundings:
        schedule, course, lesson = await asyncio.gather(
            self._read_schedule(purchase.tutor_id),
            self._read_course(_course_of(purchase)),
            self._read_session(purchase.session_id if purchase.state is State.COMPLETED else None),
        )
        facts = purchase.purchase_facts
        known_link = facts.meeting_link if isinstance(facts, LessonFacts) else ""
        return Surroundings(
            tutor_name=(schedule.display_name if schedule else "") or facts.tutor_name,
            tutor_timezone=schedule.timezone if schedule else "",
            course_title=course.title if course else "",
            meeting_link=(lesson.meeting_link if lesson else "") or known_link,
            took_place=lesson is not None and lesson.status == session.SESSION_STATUS_COMPLETED,
        )

    async def find_free_times(self, purchase: Saga) -> list[FreeTime]:
        """The tutor's free times nearest to the lesson that was wanted, in order of time; at most MOST_FREE_TIMES."""
        lesson, now = purchase.lesson, purchase.loaded_at
        for before, after in _RANGES:
            begin = max(now, lesson.start - before)
            request = availability.ListSlotsRequest(
                tutor_id=str(lesson.tutor_id),
                to=clock.to_proto(max(begin, lesson.start) + after),
                duration_minutes=lesson.minutes,
                **{"from": clock.to_proto(begin)},
            )
            try:
                answer = self.peers.availability.ListSlots(request, timeout=PEER_SECONDS)
                slots = (await answer).slots
            except BadInput:  # too many starts lie in it
                continue
            except (Refusal, CallFailed) as error:
                _log_missing(error)
                return []
            return _choose_nearest(map(_free_time, slots), lesson.start)
        return []

    async def _read_schedule(self, tutor_id: UUID | None) -> availability.Schedule | None:
        if tutor_id is None:
            return None
        request = availability.GetScheduleRequest(tutor_id=str(tutor_id))
        found = await _answer_or_none(self.peers.availability.GetSchedule(request, timeout=PEER_SECONDS))
        return found.schedule if found else None

    async def _read_course(self, course_id: UUID | None) -> learning.Course | None:
        if course_id is None:
            return None
        request = learning.GetCourseRequest(course_id=str(course_id))
        found = await _answer_or_none(self.peers.learning.GetCourse(request, timeout=PEER_SECONDS))
        return found.course if found else None

    async def _read_session(self, session_id: UUID | None) -> session.Session | None:
        if session_id is None:
            return None
        request = session.GetSessionRequest(session_id=str(session_id))
        found = await _answer_or_none(self.peers.session.GetSession(request, timeout=PEER_SECONDS))
        return found.session if found else None


async def _answer_or_none(call: Awaitable[T]) -> T | None:
    try:
        return await call
    except (Refusal, CallFailed) as error:
        _log_missing(error)
        return None


def _log_missing(error: Exception) -> None:
    log().info("page_lacks_a_part", **describe(error))


def _course_of(purchase: Saga) -> UUID | None:
    facts = purchase.purchase_facts
    return facts.course_id if isinstance(facts, LessonFacts) else purchase.course_id


def _free_time(slot: availability.Slot) -> FreeTime:
    return FreeTime(slot.start.ToDatetime(tzinfo=UTC), slot.end.ToDatetime(tzinfo=UTC))


def _choose_nearest(times: Iterable[FreeTime], wanted: datetime) -> list[FreeTime]:
    nearest = sorted(times, key=lambda time: abs(time.start - wanted))[:MOST_FREE_TIMES]
    return sorted(nearest, key=lambda time: time.start)
