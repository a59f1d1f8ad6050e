"""What a tutor publishes, and the free slots in it: a slot starts at an offered start, and ends in working hours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from availability_svc import hours
from availability_svc.domain import Schedule, Span, TutorNotFound
from availability_svc.limits import Terms
from availability_svc.store import ScheduleStore
from mesh.database import Database
from mesh.errors import BadInput

MINUTE = timedelta(minutes=1)
#: The most starts of a listing: those of 31 days that are a quarter of an hour apart are fewer.
MOST_STARTS = 3000


class Schedules:
    """The use cases of schedules. A new schedule does not change existing holds, lessons or blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, schedule: Schedule) -> None:
        """Replace the tutor's schedule. The schedule published last is in force."""
        await self._database.statement(lambda connection: ScheduleStore(connection).publish(schedule))

    async def get(self, tutor_id: UUID) -> Schedule:
        """The tutor's schedule. Raises TutorNotFound."""
        found = await self._database.statement(lambda connection: ScheduleStore(connection).find(tutor_id))
        if found is None:
            raise TutorNotFound
        return found


class Slots:
    """Lists slots. At the same instant, `Holds.hold` accepts each listed slot from a student who is free."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def list_free(self, tutor_id: UUID, within: Span, minutes: int) -> tuple[Schedule, list[Span]]:
        """The schedule, and the free slots of `minutes` that start within the span.

        There are none of a length that the tutor does not offer, or whose price cannot be charged. Raises TutorNotFound,
        and BadInput for a span with more than MOST_STARTS starts.
        """
        length = minutes * MINUTE
        reach = Span(within.start, within.end + length)  # the last slots end there
        found = await self._database.transaction(
            lambda connection: ScheduleStore(connection).read_busy(tutor_id, reach, self._terms.grace)
        )
        if found is None:
            raise TutorNotFound
        schedule, busy, now = found
        if not schedule.is_sold(minutes):
            return schedule, []
        return schedule, list(free_slots(schedule, busy, within, length, now))


def free_slots(
    schedule: Schedule, busy: Sequence[Span], within: Span, length: timedelta, now: datetime
) -> Iterator[Span]:
    """The free slots that start within a span, in order.

    `busy` are the claimed spans of the tutor's calendar, in order and not overlapping.
    """
    within = Span(max(within.start, now), within.end)
    if within.start >= within.end:
        return
    ends = [span.end for span in busy]
    stretches = hours.working_spans(schedule.hours, Span(within.start, within.end + length))
    for start in possible_starts(schedule, within, now):
        slot = Span(start, start + length)
        if _is_inside(stretches, slot) and not _is_busy(busy, ends, schedule.tutor_span(slot)):
            yield slot


def possible_starts(schedule: Schedule, within: Span, now: datetime) -> Iterator[datetime]:
    """The starts that the tutor offers in a span, taken or free, in order. Raises BadInput beyond MOST_STARTS."""
    every = schedule.offer.start_every * MINUTE
    for number, start in enumerate(hours.starts(schedule.hours, every, within)):
        if number == MOST_STARTS:
            raise BadInput(f"must be sooner: there are more than {MOST_STARTS} starts until then", field="to")
        if not schedule.is_too_soon(start, now) and not schedule.is_too_far(start, now):
            yield start


def _is_inside(stretches: Sequence[Span], slot: Span) -> bool:
    """True when one of the stretches, which are in order and never touch, contains the slot."""
    index = bisect_right(stretches, slot.start, key=lambda stretch: stretch.end)
    return index < len(stretches) and stretches[index].start <= slot.start and slot.end <= stretches[index].end


def _is_busy(busy: Sequence[Span], ends: Sequence[datetime], wanted: Span) -> bool:
    """True when a busy span overlaps the wanted one. Only the first one that ends after its start needs a look."""
    index = bisect_right(ends, wanted.start)
    return index < len(busy) and busy[index].start < wanted.end
