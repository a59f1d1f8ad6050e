"""The lesson as an entry for calendars: an invitation when it is confirmed, its withdrawal when it is cancelled.

RFC 5546 says how invitations travel, RFC 6047 how by mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr

from icalendar import vCalAddress

from mesh.calendar_entries import CalendarEntry
from payment_svc.domain.messages import Message
from payment_svc.notifications.letters import MOST_PURPOSE, Reader

REQUEST, CANCEL = "REQUEST", "CANCEL"
#: The SEQUENCE of a lesson's entry: the entry changes once, when the lesson is cancelled.
_SEQUENCES = {REQUEST: 0, CANCEL: 1}


@dataclass(frozen=True, slots=True)
class Invitation:
    """An entry for a calendar, and what a calendar is to do with it."""

    method: str
    ics: str

    @property
    def note(self) -> str:
        """The name of the text that speaks of it."""
        return "invited" if self.method == REQUEST else "removed"


def write_invitation(message: Message, sender: str, recipient: str) -> Invitation | None:
    """The invitation or its withdrawal; None for a message after which no calendar changes.

    `sender` is "name <address>" or an address, `recipient` an address. The text is the same at every try.
    """
    method, reader = _method_of(message), Reader.of(message)
    if method is None or reader.start is None or reader.end is None:
        return None
    entry = _write_entry(reader, method, {"organizer": _organizer(sender), "attendee": _attendee(recipient)})
    return Invitation(method, entry.to_ical(method).decode())


def _method_of(message: Message) -> str | None:
    """A lesson that was never confirmed is in no calendar. Rows of earlier versions do not say: they are withdrawn too."""
    if message.type == "booking.confirmed":
        return REQUEST
    is_withdrawn = message.type == "booking.cancelled" and message.data.get("wasConfirmed", True)
    return CANCEL if is_withdrawn else None


def _write_entry(reader: Reader, method: str, people: dict[str, vCalAddress]) -> CalendarEntry:
    assert reader.start is not None and reader.end is not None
    words = reader.texts["calendar"]
    return CalendarEntry(
        uid=str(reader.message.subject_id),
        sequence=_SEQUENCES[method],
        written_at=reader.message.created_at,
        start=reader.start,
        end=reader.end,
        summary=reader.sentence(words[reader.role]).text,
        status="CONFIRMED" if method == REQUEST else "CANCELLED",
        description=(reader.told("courseTitle"), reader.told("purpose", MOST_PURPOSE), words["note"]),
        people=people,
    )


def _organizer(sender: str) -> vCalAddress:
    name, address = parseaddr(sender)
    organizer = vCalAddress(f"mailto:{address}")
    if name:
        organizer.params["CN"] = name
    return organizer


def _attendee(recipient: str) -> vCalAddress:
    attendee = vCalAddress(f"mailto:{recipient}")
    attendee.params.update({"PARTSTAT": "ACCEPTED", "RSVP": "FALSE", "CUTYPE": "INDIVIDUAL", "ROLE": "REQ-PARTICIPANT"})
    return attendee
