"""What people are told about a sale, and the routes by which it reaches them. Plain: no wire, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from payment_svc.domain.payments import NAMESPACE, Refund
from payment_svc.domain.saga import Saga
from payment_svc.domain.states import State

REFUND_PAID, REFUND_FAILED = "refund.paid", "refund.failed"
_UNDONE = {State.CANCELLED: "cancelled", State.EXPIRED: "expired", State.PAYMENT_FAILED: "payment_failed"}
#: The name of each end, by what is sold.
_ENDS = {
    "booking": {State.COMPLETED: "confirmed", **_UNDONE, State.REJECTED: "rejected"},
    "enrollment": {State.COMPLETED: "active", **_UNDONE, State.REJECTED: "rejected"},
}
TYPES = frozenset(
    {REFUND_PAID, REFUND_FAILED, *(f"{what}.{end}" for what, ends in _ENDS.items() for end in ends.values())}
)


class Audience(StrEnum):
    """Whom one message is for."""

    EVERYBODY = "everybody"  # a program of the operator's, which hears all of it
    STUDENT = "student"
    TUTOR = "tutor"


class DeliveryStatus(StrEnum):
    """Where a message stands on its route. DEAD: a dead letter, given up."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class DeliveryRoute:
    """A channel and an audience. The messages about one purchase keep their order on each route."""

    channel: str
    audience: Audience


@dataclass(frozen=True, slots=True)
class SaleOfMessage:
    """The saga of a message's purchase, for log lines and traces."""

    saga_id: UUID
    payment_id: UUID
    traceparent: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something that has been committed, on its way along one route.

    `id` is the same on every route and at every repeat. `data` is ready for JSON. `attempt` counts the tries begun.
    """

    id: UUID
    route: DeliveryRoute
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
    #: The sale that it is about, and the span that began it; known to whoever delivers it.
    sale: SaleOfMessage | None = None

    @property
    def ids(self) -> dict[str, object]:
        """What it is about, by the names of log lines."""
        names = {"bookingId": "booking_id", "enrollmentId": "enrollment_id", "sessionId": "session_id"}
        told = {told: self.data.get(name) for name, told in (names | {"paymentId": "payment_id"}).items()}
        return told | ({"saga_id": self.sale.saga_id, "payment_id": self.sale.payment_id} if self.sale else {})


def message_type(saga: Saga, end: State) -> str:
    """The type of the message that what this saga sells has come to this end."""
    what = "booking" if saga.course_id is None else "enrollment"
    return f"{what}.{_ENDS[what][end]}"


def message_id(saga: Saga, message_type: str) -> UUID:
    """The id of a message about what this saga sells. The same type about the same thing is the same message."""
    return uuid5(NAMESPACE, f"notice:{message_type}:{saga.sold_id}")


def refund_message_id(refund: Refund, message_type: str) -> UUID:
    """The id of a message about this refund. The tries of one decision share it: people are told once."""
    return uuid5(NAMESPACE, f"notice:{message_type}:{refund.told_as or refund.id}")
