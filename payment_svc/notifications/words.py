"""What the mails say. The student reads times in the zone that came with the order, the tutor and everybody else in UTC."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mesh.money import Money
from payment_svc.domain.messages import Audience, Message

#: By type: the subject, and the first paragraph. {who} is " with NAME" to the student, and nothing to the tutor.
_TEXTS = {
    "booking.confirmed": ("Lesson confirmed: {when}", "The lesson{who} on {when} is paid and confirmed."),
    "booking.cancelled": ("Lesson cancelled: {when}", "The lesson{who} on {when} is cancelled."),
    "booking.expired": (
        "Booking expired: {when}",
        "The lesson{who} on {when} was not paid in time. The time is free again.",
    ),
    "booking.payment_failed": (
        "Payment failed: {when}",
        "The payment for the lesson{who} on {when} failed. The time is free again; nothing was charged.",
    ),
    "booking.rejected": (
        "Booking refused: {when}",
        "The lesson{who} on {when} could not be booked. Nothing was charged.",
    ),
    "enrollment.rejected": ("Enrollment refused", "The enrollment was refused. Nothing was charged."),
    "enrollment.active": ("Enrolled in your course", "The enrollment is active."),
    "enrollment.cancelled": ("Enrollment cancelled", "The enrollment is cancelled."),
    "enrollment.expired": (
        "Enrollment expired",
        "The enrollment was not paid in time. The seat is free again.",
    ),
    "enrollment.payment_failed": (
        "Payment failed",
        "The payment for the enrollment failed. The seat is free again; nothing was charged.",
    ),
    "refund.paid": ("Refund paid: {amount}", "{amount} went back to the student."),
    "refund.failed": (
        "Refund failed: {amount}",
        "The refund of {amount} to the student failed. The money is not back; somebody looks at it.",
    ),
}
#: The lines below: the name of each, and its key in the message's data.
_FACTS = (
    ("Join", "meetingLink"),
    ("Booking", "bookingId"),
    ("Enrollment", "enrollmentId"),
    ("Course", "courseId"),
    ("Price", "price"),
    ("Refund due", "refundDue"),
    ("Cancelled by", "cancelledBy"),
)


def subject(message: Message) -> str:
    """One line."""
    return _fill(_TEXTS[message.type][0], message)


def text(message: Message) -> str:
    """Plain text: what happened, and what it is about."""
    facts = [f"{name}: {_show(message.data[key])}" for name, key in _FACTS if message.data.get(key) is not None]
    return "\n".join([_fill(_TEXTS[message.type][1], message), "", *facts, ""])


def _fill(words: str, message: Message) -> str:
    data = message.data
    amount = _show(data["refund"]) if "refund" in data else ""
    return words.format(when=_when(message), who=_who(message), amount=amount)


def _who(message: Message) -> str:
    name = message.data.get("tutorName")
    return f" with {name}" if name and message.route.audience is Audience.STUDENT else ""


def _when(message: Message) -> str:
    """The lesson's start, on the clock of who reads it: "24 Nov 2026 at 11:00 (Europe/Berlin)"."""
    start, zone = message.data.get("startTime"), _zone(message)
    if not start:
        return ""
    at = datetime.fromisoformat(start)
    return f"{at.astimezone(zone):%d %b %Y at %H:%M} ({zone.key})" if zone else f"{at:%d %b %Y at %H:%M} UTC"


def _zone(message: Message) -> ZoneInfo | None:
    """The student's zone, in what the student reads. None for one that this machine does not know any more."""
    name = message.data.get("timezone")
    if not name or message.route.audience is not Audience.STUDENT:
        return None
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(name)
    return None


def _show(value: Any) -> str:
    """Money as people write it, everything else as it is."""
    if isinstance(value, dict):
        return Money(value["amountMinor"], value["currency"]).display
    return str(value)
