"""The free slots of a tutor: a slot may begin at each quarter of an hour of the tutor's local clock."""

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
    """Lists slots. At the same instant, `Holds.hold` accepts each listed slot from a student who is free."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def list_free(self, tutor_id: UUID, within: Span, minutes: int) -> tuple[Schedule, list[Span]]:
        """The schedule, and the free slots of `minutes` that lie wholly within the span. Raises TutorNotFound."""
        found = await self._database.statement(
            lambda connection: ScheduleStore(connection).read_busy(tutor_id, within, self._terms.grace)
        )
        if found is None:
            raise TutorNotFound
        schedule, busy, now = found
        return schedule, list(free_slots(schedule, busy, within, timedelta(minutes=minutes), now))


def free_slots(
    schedule: Schedule, busy: Sequence[Span], within: Span, length: timedelta, now: datetime
) -> Iterator[Span]:
    """The free slots in order. `busy` are the claimed spans of the tutor's calendar, in order and not overlapping."""
    within = Span(max(within.start, now), within.end)
    ends = [span.end for span in busy]
    for stretch in hours.working_spans(schedule.hours, within):
        for start in hours.quarters(schedule.hours, stretch):
            slot = Span(start, start + length)
            if slot.end > stretch.end:
                break
            if not schedule.is_too_soon(start, now) and not _is_busy(busy, ends, schedule.tutor_span(slot)):
                yield slot


def _is_busy(busy: Sequence[Span], ends: Sequence[datetime], wanted: Span) -> bool:
    """True when a busy span overlaps the wanted one. Only the first one that ends after its start needs a look."""
    index = bisect_right(ends, wanted.start)
    return index < len(busy) and busy[index].start < wanted.end
