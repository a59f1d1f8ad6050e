"""The free slots of a tutor: what can be booked now, told every 15 minutes of the local clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from availability_svc import hours
from availability_svc.domain import Schedule, Span, Terms, TutorNotFound
from availability_svc.store import ScheduleStore
from mesh.database import Database


class Slots:
    """Lists slots. What it lists at an instant, `Holds.hold` grants at that instant to a student who is free."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def free(self, tutor_id: UUID, within: Span, minutes: int) -> tuple[Schedule, list[Span]]:
        """The schedule, and the free slots of this length that lie wholly within the span. Raises TutorNotFound."""
        found = await self._database.statement(
            lambda connection: ScheduleStore(connection).busy(tutor_id, within, self._terms.grace)
        )
        if found is None:
            raise TutorNotFound
        schedule, busy, now = found
        return schedule, list(free_slots(schedule, busy, within, timedelta(minutes=minutes), now))


def free_slots(
    schedule: Schedule, busy: Sequence[Span], within: Span, length: timedelta, now: datetime
) -> Iterator[Span]:
    """Slots in order. `busy` are the spans taken on the tutor's calendar, in order and not overlapping."""
    within = Span(max(within.start, now), within.end)
    ends = [span.end for span in busy]
    for stretch in hours.working(schedule.hours, within):
        for start in hours.quarters(schedule.hours, stretch):
            slot = Span(start, start + length)
            if slot.end > stretch.end:
                break
            if not schedule.too_soon(start, now) and not _meets(busy, ends, schedule.taken(slot)):
                yield slot


def _meets(busy: Sequence[Span], ends: Sequence[datetime], wanted: Span) -> bool:
    """True when one of the busy spans overlaps the wanted one: the first that ends after its start would."""
    place = bisect_right(ends, wanted.start)
    return place < len(busy) and busy[place].start < wanted.end
