"""The lesson as an entry for calendars: an invitation when it is confirmed, its withdrawal when it is cancelled.

RFC 5545 says what an entry is, RFC 5546 how invitations travel, RFC 6047 how by mail. An entry carries no link: people
share calendars, and each link of a lesson is a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parseaddr

from icalendar import Calendar, Event, vCalAddress

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
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//tutormesh//mails//EN")
    calendar.add("method", method)
    calendar.add_component(_write_event(reader, method, sender, recipient))
    return Invitation(method, bytes(calendar.to_ical()).decode())


def _method_of(message: Message) -> str | None:
    """A lesson that was never confirmed is in no calendar. Rows of earlier versions do not say: they are withdrawn too."""
    if message.type == "booking.confirmed":
        return REQUEST
    is_withdrawn = message.type == "booking.cancelled" and message.data.get("wasConfirmed", True)
    return CANCEL if is_withdrawn else None


def _write_event(reader: Reader, method: str, sender: str, recipient: str) -> Event:
    assert reader.start is not None and reader.end is not None
    words, event = reader.texts["calendar"], Event()
    event.add("uid", str(reader.message.subject_id))
    event.add("sequence", _SEQUENCES[method])
    event.add("dtstamp", reader.message.created_at.astimezone(UTC))
    event.add("dtstart", reader.start.astimezone(UTC))
    event.add("dtend", reader.end.astimezone(UTC))
    event.add("summary", reader.sentence(words[reader.role]).text)
    said = (reader.told("courseTitle"), reader.told("purpose", MOST_PURPOSE), words["note"])
    event.add("description", "\n".join(filter(None, said)))
    event.add("status", "CONFIRMED" if method == REQUEST else "CANCELLED")
    event.add("class", "PRIVATE")
    event.add("organizer", _name_organizer(*parseaddr(sender)))
    attendee = vCalAddress(f"mailto:{recipient}")
    attendee.params.update({"PARTSTAT": "ACCEPTED", "RSVP": "FALSE", "CUTYPE": "INDIVIDUAL", "ROLE": "REQ-PARTICIPANT"})
    event.add("attendee", attendee)
    return event


def _name_organizer(name: str, address: str) -> vCalAddress:
    organizer = vCalAddress(f"mailto:{address}")
    if name:
        organizer.params["CN"] = name
    return organizer
