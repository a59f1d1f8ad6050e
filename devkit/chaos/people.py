"""Who takes part in a run, and how tutors open what they sell: their hours at once, each course when it is asked for."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devkit.chaos.client import CREATE_COURSE, PUBLISH, PUBLISH_COURSE, Answer, Edge
from devkit.chaos.plan import STUDENTS, TUTORS
from devkit.chaos.wares import LESSON_PRICE, Lesson, Place, Wish

LESSON_MINUTES, OTHER_MINUTES = 60, 45
#: Who is told to come later comes after so long.
PAUSE_SECONDS = 0.4
DAYS = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY".split()
NONE: frozenset[str] = frozenset()
#: A course that does not exist.
NOWHERE = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, and when the lessons of each tutor begin: the first of them soon enough for half a refund."""

    students: tuple[str, ...]
    tutors: tuple[str, ...]
    firsts: tuple[datetime, ...]
    courses: dict[int, str] = field(default_factory=dict)
    _opening: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def start(self, lesson: Lesson) -> datetime:
        return self.firsts[lesson.tutor] + timedelta(minutes=30 * lesson.slot)

    def order(self, wish: Wish, *, other: bool = False) -> dict[str, object]:
        """What is said to buy this, or something else than this; the course is open."""
        if isinstance(wish, Place):
            return {"course": NOWHERE if other else self.courses[wish.course]}
        minutes = OTHER_MINUTES if other else LESSON_MINUTES
        return {"tutor": self.tutors[wish.tutor], "time": self.start(wish).isoformat(), "minutes": minutes}

    async def open(self, edge: Edge, place: Place, deadline: float) -> bool:
        """Its tutor makes and publishes the course, unless it is open. False when that was not to be had in time."""
        async with self._opening[place.course]:
            if place.course not in self.courses:
                course = await self._opened(edge, place, deadline)
                if course:
                    self.courses[place.course] = course
        return place.course in self.courses

    async def _opened(self, edge: Edge, place: Place, deadline: float) -> str | None:
        tutor = ("tutor", self.tutors[place.tutor])
        price = {"amountMinor": place.price, "currency": "USD"}
        given = {"title": f"Course {place.course}", "price": price, "seats": place.seats}
        made = await insist(lambda: edge.ask(tutor, CREATE_COURSE, NONE, input=given), deadline)
        if not made.value or not made.value["course"]:
            return None
        course: str = made.value["course"]["id"]
        shown = await insist(lambda: edge.ask(tutor, PUBLISH_COURSE, NONE, id=course), deadline)
        return course if shown.value and shown.value["course"] else None


def cast(now: datetime) -> Cast:
    """New people, for lessons from 12 hours and from two days from now."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    firsts = [hour + timedelta(hours=13), *(hour + timedelta(days=2) for _ in range(TUTORS - 1))]
    ids = [str(uuid.uuid4()) for _ in range(STUDENTS + TUTORS)]
    return Cast(tuple(ids[:STUDENTS]), tuple(ids[STUDENTS:]), tuple(firsts))


async def open_hours(edge: Edge, people: Cast) -> None:
    """Every tutor teaches day and night."""
    weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in DAYS]
    hours = {"timezone": "UTC", "weekly": weekly, "rate": {"amountMinor": LESSON_PRICE, "currency": "USD"}}
    for tutor in people.tutors:
        await edge.ask(("tutor", tutor), PUBLISH, NONE, input=hours)


async def insist(ask: Callable[[], Awaitable[Answer]], deadline: float) -> Answer:
    """Ask again while the answer is "later" and there is time."""
    while (answer := await ask()).is_for_later and time.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(PAUSE_SECONDS)
    return answer
