"""What people are told about a sale, and the lanes by which it reaches them. Plain: no wire, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from payment_svc.domain import NAMESPACE, Refund, Saga, State

REFUND_PAID = "refund.paid"
_UNDONE = {State.CANCELLED: "cancelled", State.EXPIRED: "expired", State.PAYMENT_FAILED: "payment_failed"}
#: What its end is called, by what is sold.
_ENDS = {
    "booking": {State.COMPLETED: "confirmed", **_UNDONE},
    "enrollment": {State.COMPLETED: "active", **_UNDONE},
}
TYPES = frozenset({REFUND_PAID, *(f"{what}.{end}" for what, ends in _ENDS.items() for end in ends.values())})


class Audience(StrEnum):
    """Whom one message is for."""

    EVERYBODY = "everybody"
    STUDENT = "student"
    TUTOR = "tutor"


class DeliveryStatus(StrEnum):
    """Where a message stands in its lane."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class Lane:
    """One way out of the house: a channel, and whom its messages are for. Order is kept per booking and lane."""

    channel: str
    audience: Audience


@dataclass(frozen=True, slots=True)
class Message:
    """Something that has been committed, on its way along one lane.

    `id` is the same on every lane and every repeat. `data` is ready for JSON. `attempt` counts the tries begun.
    """

    id: UUID
    lane: Lane
    seq: int
    type: str
    subject_id: UUID
    data: dict[str, Any]
    created_at: datetime
    attempt: int = 0
    status: DeliveryStatus = DeliveryStatus.PENDING
    error: str = ""
    wake_at: datetime | None = None
    seconds_tried: float = 0.0


def type_of(saga: Saga, end: State) -> str:
    """What it is called that the thing this saga sells has come to this end."""
    what = "booking" if saga.course_id is None else "enrollment"
    return f"{what}.{_ENDS[what][end]}"


def id_of(saga: Saga, notice_type: str) -> UUID:
    """The message's id: whoever tells the same of the same thing again tells the same message."""
    return uuid5(NAMESPACE, f"notice:{notice_type}:{saga.booking_id}")


def refund_paid_id(refund: Refund) -> UUID:
    """The id of the message that this refund is paid."""
    return uuid5(NAMESPACE, f"notice:{REFUND_PAID}:{refund.id}")
