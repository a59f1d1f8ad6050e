"""What the mesh and the payment provider hold, as plain values. Ids are the wire's strings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

PURCHASE, CANCEL, DISPUTE = "BookAndPayForSessionSaga", "CancelBookingSaga", "DisputeCase"
ENROLL, LEAVE = "EnrollInCourseSaga", "CancelEnrollmentSaga"
#: What takes back what the other sells.
CANCEL_OF = {PURCHASE: CANCEL, ENROLL: LEAVE}
PARKED = "PARKED"
#: The reason of a refund that somebody made at the provider and that we learned of.
BY_HAND = "made_at_provider"
#: A PaymentIntent that can still become paid (Stripe: PaymentIntent statuses; the first is the callback engine's).
PAYABLE = frozenset(
    "requires_payment requires_payment_method requires_confirmation requires_action processing requires_capture".split()
)


class Amount(NamedTuple):
    """Minor units and a currency, whatever they are: the audit also looks at what should not be."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.minor} {self.currency}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A live claim on a calendar; `state` is HELD, CONFIRMED or BLOCKED, `saga_id` is empty for a block."""

    id: str
    calendar_id: str
    saga_id: str
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking; `status` as in BookingStatus, without its prefix."""

    id: str
    saga_id: str
    status: str
    tutor_id: str
    student_id: str
    start: datetime
    end: datetime
    price: Amount
    block_id: str
    session_id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `status` as in SessionStatus, without its prefix."""

    id: str
    saga_id: str
    booking_id: str
    status: str
    tutor_id: str
    student_id: str
    start: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class Course:
    """A published course; `seats` 0 is no limit."""

    id: str
    seats: int
    seats_taken: int


@dataclass(frozen=True, slots=True)
class Enrollment:
    """An enrollment; `status` as in EnrollmentStatus, without its prefix. A tombstone has ended and names no course."""

    id: str
    saga_id: str
    course_id: str
    student_id: str
    instructor_id: str
    status: str
    price: Amount
    payment_id: str


@dataclass(frozen=True, slots=True)
class Saga:
    """A saga; `price` is None until slot or seat was held, `intent_id` empty while there is none.

    A lesson's has a booking, a session and a time, a course's an enrollment and a course. `refund_due` is what a
    person's cancel decided to give back, `cancels` the purchase that a cancel takes back, and `is_resolved` says that a
    person closed it.
    """

    id: str
    kind: str
    state: str
    is_complete: bool
    tutor_id: str
    student_id: str
    start: datetime | None
    minutes: int
    booking_id: str
    session_id: str
    payment_id: str
    intent_id: str
    price: Amount | None
    error: str
    wake_at: datetime | None
    refund_due: Amount | None = None
    cancels: str = ""
    is_resolved: bool = False
    enrollment_id: str = ""
    course_id: str = ""

    @property
    def sold_id(self) -> str:
        """What all sagas around one purchase share: the booking's id or the enrollment's."""
        return self.booking_id or self.enrollment_id

    @property
    def is_open(self) -> bool:
        """True while it is driven, or will be, without anybody's help."""
        return not self.is_complete and self.state != PARKED

    @property
    def is_with_a_person(self) -> bool:
        """True when it waits for a person, or a person has closed it and settled slot and money by hand."""
        return self.state == PARKED or self.is_resolved

    @property
    def sells(self) -> bool:
        """True for a purchase, of a lesson or of a place in a course."""
        return self.kind in CANCEL_OF

    @property
    def takes_back(self) -> bool:
        """True for a cancel that stands; a rejected one came after the lesson and changes nothing."""
        return self.kind in CANCEL_OF.values() and self.state != "REJECTED"

    @property
    def parks_money(self) -> bool:
        """True for a dispute that is open, or that a person closed by saying that the money is gone."""
        return self.kind == DISPUTE and self.state != "COMPLETED"


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as payment_svc tells it; `status` is PENDING, SUCCEEDED or FAILED, `provider_id` may be empty."""

    id: str
    provider_id: str
    intent_id: str
    minor: int
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as payment_svc tells it; `status` as in PaymentStatus, without its prefix."""

    id: str
    saga_id: str
    booking_id: str
    session_id: str
    intent_id: str
    status: str
    amount: Amount
    received_minor: int
    refunds: tuple[Refund, ...] = ()
    enrollment_id: str = ""

    @property
    def sold_id(self) -> str:
        return self.booking_id or self.enrollment_id


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as the provider tells it; `refund_id` is ours, empty when it was made by hand."""

    id: str
    status: str
    minor: int
    refund_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent with our metadata as the provider tells it."""

    id: str
    status: str
    amount: Amount
    received_minor: int
    saga_id: str
    payment_id: str
    refunds: tuple[ProviderRefund, ...] = ()

    @property
    def is_payable(self) -> bool:
        return self.status in PAYABLE
