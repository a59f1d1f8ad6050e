"""A lesson as an entry for calendars (RFC 5545). It has no link: people share calendars, and each link is a secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from icalendar import Calendar, Event, vCalAddress


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """An entry. A later one with the same `uid` and a higher `sequence` replaces it."""

    uid: str
    sequence: int
    written_at: datetime
    start: datetime
    end: datetime
    summary: str
    status: str  # CONFIRMED, TENTATIVE or CANCELLED
    description: tuple[str, ...] = ()  # lines; empty ones are left out
    people: dict[str, vCalAddress] = field(default_factory=dict)  # organizer, attendee

    def to_ical(self, method: str = "") -> bytes:
        """The entry as a file. `method` says what a calendar is to do with it (RFC 5546): REQUEST, CANCEL."""
        calendar = Calendar()
        calendar.add("version", "2.0")
        calendar.add("prodid", "-//tutormesh//lessons//EN")
        if method:
            calendar.add("method", method)
        calendar.add_component(self._to_event())
        return bytes(calendar.to_ical())

    def _to_event(self) -> Event:
        event = Event()
        event.add("uid", self.uid)
        event.add("sequence", self.sequence)
        event.add("dtstamp", self.written_at.astimezone(UTC))
        event.add("dtstart", self.start.astimezone(UTC))
        event.add("dtend", self.end.astimezone(UTC))
        event.add("summary", self.summary)
        event.add("description", _join_lines(self.description))
        event.add("status", self.status)
        event.add("class", "PRIVATE")
        for role, address in self.people.items():
            event.add(role, address)
        return event


def _join_lines(lines: Iterable[str]) -> str:
    return "\n".join(filter(None, lines))
