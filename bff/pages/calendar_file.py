"""A lesson as a calendar file, in the words of its person."""

from __future__ import annotations

from datetime import UTC, datetime

from bff.pages import words
from bff.pages.languages import Reader
from mesh.calendar_entries import CalendarEntry
from tutormesh.payment.v1 import link_pb2


def write_lesson(reader: Reader, purchase: link_pb2.Purchase, now: datetime) -> bytes:
    """The file. A later one of the same lesson replaces it: UID is the booking, SEQUENCE the purchase's version."""
    said = words.describe_purchase(reader, purchase, now)
    return CalendarEntry(
        uid=purchase.booking_id,
        sequence=max(0, purchase.version),
        written_at=now,
        start=purchase.start_time.ToDatetime(tzinfo=UTC),
        end=purchase.end_time.ToDatetime(tzinfo=UTC),
        summary=said.heading,
        status=_status(purchase.status),
        description=(said.course, said.purpose, reader.text("manage.calendar_note")),
    ).to_ical()


def _status(status: int) -> str:
    if status in (link_pb2.PURCHASE_STATUS_CONFIRMED, link_pb2.PURCHASE_STATUS_COMPLETED):
        return "CONFIRMED"
    waits = (link_pb2.PURCHASE_STATUS_PAYMENT_REQUIRED, link_pb2.PURCHASE_STATUS_BEING_CONFIRMED)
    return "TENTATIVE" if status in waits else "CANCELLED"
