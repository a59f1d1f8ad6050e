"""What the mesh and the payment provider hold, as plain values. Ids are strings, as on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mesh.money import Money

PURCHASE, CANCEL = "BookAndPayForSessionSaga", "CancelBookingSaga"
DISPUTE, REFUND_CASE = "DisputeCase", "RefundCase"
ENROLL, LEAVE = "EnrollInCourseSaga", "CancelEnrollmentSaga"
#: The kind of saga that cancels, by the kind that is_purchase.
CANCEL_OF = {PURCHASE: CANCEL, ENROLL: LEAVE}
PARKED = "PARKED"
#: The reason of a refund that a person made at the provider and that payment_svc learned of.
BY_HAND = "made_at_provider"
#: Statuses of a PaymentIntent that can still become paid (Stripe: PaymentIntent statuses). The first is a callback
#: provider's.
PAYABLE = frozenset(
    "requires_payment requires_payment_method requires_confirmation requires_action processing requires_capture".split()
)


class Amount(NamedTuple):
    """Minor units and a currency. Nothing is validated: the audit must read amounts that should not exist."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """For people: "$50.00"; as it came when the audit does not know the currency, or such an amount cannot be."""
        try:
            return Money(self.minor, self.currency).display
        except ValueError:
            return f"{self.minor} {self.currency}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A live claim on a calendar. `state` is HELD, CONFIRMED or BLOCKED; a block has an empty `saga_id`."""

    id: str
    calendar_id: str
    saga_id: str
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking. `status` is a BookingStatus without its prefix."""

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
    """A session. `status` is a SessionStatus without its prefix."""

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
    """A published course and its seats, counted at one time: ACTIVE enrollments, and those that await a payment.

    `seats` 0 means that there is no limit.
    """

    id: str
    seats: int
    seats_taken: int
    active: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Enrollment:
    """An enrollment. `status` is an EnrollmentStatus without its prefix. A tombstone has ended and names no course."""

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
    """A saga.

    | field | meaning |
    |---|---|
    | `booking_id`, `session_id`, `start`, `minutes` | set for a lesson |
    | `enrollment_id`, `course_id` | set for a seat in a course |
    | `price` | None until the slot or the seat was held |
    | `intent_id` | empty while there is no PaymentIntent |
    | `refund_due` | what a person's cancel decided to give back |
    | `cancels` | the purchase that a cancel saga cancels |
    | `is_resolved` | a person closed it |
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
        """The id of the booking or the enrollment; all sagas of one purchase share it."""
        return self.booking_id or self.enrollment_id

    @property
    def is_open(self) -> bool:
        """True while the saga runs, or will run without anybody's help."""
        return not self.is_complete and self.state != PARKED

    @property
    def is_with_a_person(self) -> bool:
        """True when the saga waits for a person, or a person closed it and put slot and money right by hand."""
        return self.state == PARKED or self.is_resolved

    @property
    def is_purchase(self) -> bool:
        """True for a purchase, of a lesson or of a seat in a course."""
        return self.kind in CANCEL_OF

    @property
    def is_valid_cancel(self) -> bool:
        """True for a valid cancel. A rejected one came after the lesson and changes nothing."""
        return self.kind in CANCEL_OF.values() and self.state != "REJECTED"

    @property
    def has_money_at_stake(self) -> bool:
        """True for a dispute that is open, or that a person closed because the money is lost.

        Also true for a refund that was given up and waits for a person, or that a person has settled.
        """
        if self.kind == REFUND_CASE:
            return self.is_with_a_person
        return self.kind == DISPUTE and self.state != "COMPLETED"


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund in payment_svc. `status` is PENDING, SUCCEEDED or FAILED; `provider_id` may be empty."""

    id: str
    provider_id: str
    intent_id: str
    minor: int
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment in payment_svc. `status` is a PaymentStatus without its prefix."""

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
    """A refund at the provider. `refund_id` is our refund's id, empty when a person made the refund by hand."""

    id: str
    status: str
    minor: int
    refund_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent at the provider, with our metadata."""

    id: str
    status: str
    amount: Amount
    received_minor: int
    saga_id: str
    payment_id: str
    refunds: tuple[ProviderRefund, ...] = ()

    @property
    def received(self) -> Amount:
        return self.of(self.received_minor)

    def of(self, minor: int) -> Amount:
        """So many minor units of its currency."""
        return Amount(minor, self.amount.currency)

    @property
    def is_payable(self) -> bool:
        return self.status in PAYABLE
