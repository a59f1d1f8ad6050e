"""The students and tutors of a run. Tutors publish their hours at the start, and a course when it is first ordered."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devkit.chaos.clients.apps import CREATE_COURSE, PUBLISH, PUBLISH_COURSE, Answer, Edge
from devkit.chaos.orders import LESSON_PRICE, Lesson, Order, Seat
from devkit.chaos.plan import TUTORS

LESSON_MINUTES, OTHER_MINUTES = 60, 45
#: Seconds before a request is sent again.
PAUSE_SECONDS = 0.4
DAYS = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY".split()
NONE: frozenset[str] = frozenset()
#: A course that does not exist.
NOWHERE = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class People:
    """The ids of the tutors, the start of each one's first lesson, the courses that are open, and any number of students.

    The first tutor's lessons begin soon enough for a refund of one half.
    """

    run: uuid.UUID
    tutors: tuple[str, ...]
    firsts: tuple[datetime, ...]
    courses: dict[int, str] = field(default_factory=dict)
    _opening: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def student(self, number: int) -> str:
        """The id of a student of this run."""
        return str(uuid.uuid5(self.run, f"student {number}"))

    def start(self, lesson: Lesson) -> datetime:
        return self.firsts[lesson.tutor] + timedelta(minutes=30 * lesson.slot)

    def arguments(self, order: Order, *, other: bool = False) -> dict[str, object]:
        """The arguments of the mutation that buys this order, or another order. Its course has to be open."""
        if isinstance(order, Seat):
            return {"course": NOWHERE if other else self.courses[order.course]}
        minutes = OTHER_MINUTES if other else LESSON_MINUTES
        return {"tutor": self.tutors[order.tutor], "time": self.start(order).isoformat(), "minutes": minutes}

    async def open(self, edge: Edge, seat: Seat, deadline: float) -> bool:
        """Have the tutor make and publish the course, unless it is open. False when that took too long."""
        async with self._opening[seat.course]:
            if seat.course not in self.courses:
                course = await self._open_course(edge, seat, deadline)
                if course:
                    self.courses[seat.course] = course
        return seat.course in self.courses

    async def _open_course(self, edge: Edge, seat: Seat, deadline: float) -> str | None:
        tutor = ("tutor", self.tutors[seat.tutor])
        price = {"amountMinor": seat.price, "currency": "USD"}
        given = {"title": f"Course {seat.course}", "price": price, "seats": seat.seats}
        made = await ask_until_final(lambda: edge.ask(tutor, CREATE_COURSE, NONE, input=given), deadline)
        if not made.value or not made.value["course"]:
            return None
        course: str = made.value["course"]["id"]
        shown = await ask_until_final(lambda: edge.ask(tutor, PUBLISH_COURSE, NONE, id=course), deadline)
        return course if shown.value and shown.value["course"] else None


def make_people(now: datetime) -> People:
    """New people. The first tutor's lessons begin in about 12 hours, the others' in two days."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    firsts = [hour + timedelta(hours=13), *(hour + timedelta(days=2) for _ in range(TUTORS - 1))]
    return People(uuid.uuid4(), tuple(str(uuid.uuid4()) for _ in range(TUTORS)), tuple(firsts))


async def open_hours(edge: Edge, people: People) -> None:
    """Publish every tutor's hours: all day, every day, for as long as a run may last."""
    weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in DAYS]
    rate = {"amountMinor": LESSON_PRICE, "currency": "USD"}
    hours = {"timezone": "UTC", "weekly": weekly, "rate": rate, "maximumDaysAhead": 3650}
    for tutor in people.tutors:
        await edge.ask(("tutor", tutor), PUBLISH, NONE, input=hours)


async def ask_until_final(ask: Callable[[], Awaitable[Answer]], deadline: float) -> Answer:
    """Send a request again while the answer says "later" and there is time."""
    while (answer := await ask()).is_for_later and time.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(PAUSE_SECONDS)
    return answer
