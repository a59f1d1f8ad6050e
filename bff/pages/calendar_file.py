"""A lesson as a calendar file (RFC 5545). It has no link: calendars are shared, and each link of a lesson is a secret."""

from __future__ import annotations

from datetime import UTC, datetime

from icalendar import Calendar, Event

from bff.pages import words
from bff.pages.languages import Reader
from tutormesh.payment.v1 import link_pb2


def write_lesson(reader: Reader, purchase: link_pb2.Purchase, now: datetime) -> bytes:
    """The file. A later one of the same lesson replaces it: UID is the booking, SEQUENCE the purchase's version."""
    said = words.describe_purchase(reader, purchase, now)
    event = Event()
    event.add("uid", purchase.booking_id)
    event.add("sequence", max(0, purchase.version))
    event.add("dtstamp", now)
    event.add("dtstart", purchase.start_time.ToDatetime(tzinfo=UTC))
    event.add("dtend", purchase.end_time.ToDatetime(tzinfo=UTC))
    event.add("summary", said.heading)
    event.add("status", _status(purchase.status))
    event.add("class", "PRIVATE")
    description = "\n".join(filter(None, (said.course, said.purpose, reader.text("manage.calendar_note"))))
    event.add("description", description)
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//tutormesh//pages//EN")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _status(status: int) -> str:
    if status in (link_pb2.PURCHASE_STATUS_CONFIRMED, link_pb2.PURCHASE_STATUS_COMPLETED):
        return "CONFIRMED"
    waits = (link_pb2.PURCHASE_STATUS_PAYMENT_REQUIRED, link_pb2.PURCHASE_STATUS_BEING_CONFIRMED)
    return "TENTATIVE" if status in waits else "CANCELLED"
