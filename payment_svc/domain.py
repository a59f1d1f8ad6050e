"""Sagas, payments and refunds: their states, their legal moves, and the refusals of this service."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from mesh.errors import Refusal, StatusCode
from mesh.money import Money

#: Names what we derive from our own ids; never change it, or repeats stop being repeats.
NAMESPACE = UUID("8f0a7a52-6a0e-4b8e-9c1f-3f5f0f3ad0aa")

#: Kinds of sagas, as stored: what sells, what takes it back, and what only waits for a person.
BOOK, ENROLL = "BookAndPayForSessionSaga", "EnrollInCourseSaga"
CANCEL_OF = {BOOK: "CancelBookingSaga", ENROLL: "CancelEnrollmentSaga"}


#: The payment engines a booking can choose, and how the callback engine's payments are named.
STRIPE, CALLBACK = "stripe", "callback"
CALLBACK_PREFIX = "cb_"


class State(StrEnum):
    """Where a saga stands."""

    AWAITING_AVAILABILITY = "AWAITING_AVAILABILITY"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    BOOKING_SESSION = "BOOKING_SESSION"
    COMPENSATING = "COMPENSATING"
    PARKED = "PARKED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"


ENDS = frozenset(
    {State.COMPLETED, State.REJECTED, State.PAYMENT_FAILED, State.EXPIRED, State.CANCELLED, State.REFUNDED}
)
_UNDONE = {State.PAYMENT_FAILED, State.EXPIRED, State.CANCELLED, State.REFUNDED}
_RUNNING = {State.AWAITING_AVAILABILITY, State.AWAITING_PAYMENT, State.BOOKING_SESSION, State.COMPENSATING}

#: COMPENSATING → BOOKING_SESSION: the intent turned out to be paid while it was being cancelled; → REJECTED: a cancel that
#: is withdrawn, because the lesson took place meanwhile.
MOVES: dict[State, set[State]] = {
    State.AWAITING_AVAILABILITY: {
        State.AWAITING_PAYMENT,
        State.BOOKING_SESSION,
        State.REJECTED,
        State.COMPENSATING,
        State.PARKED,
    },
    State.AWAITING_PAYMENT: {State.BOOKING_SESSION, State.COMPENSATING, State.PARKED},
    State.BOOKING_SESSION: {State.COMPLETED, State.COMPENSATING, State.PARKED},
    State.COMPENSATING: {State.BOOKING_SESSION, State.REJECTED, State.PARKED, *_UNDONE},
    State.PARKED: {*_RUNNING, State.COMPLETED, *_UNDONE},
}


class Undo(StrEnum):
    """Why a saga is undone."""

    EXPIRED = "EXPIRED"  # the hold ended unpaid
    DECLINED = "DECLINED"  # every attempt at payment failed
    PROVIDER_REFUSED = "PROVIDER_REFUSED"  # no intent can be made for this amount
    SLOT_LOST = "SLOT_LOST"  # paid, but the time cannot be had any more
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"  # paid, but not the price
    CANCELLED = "CANCELLED"  # cancelled, here or at the provider

    @property
    def yields_to_payment(self) -> bool:
        """True when money that arrived meanwhile still buys the lesson."""
        return self in (Undo.EXPIRED, Undo.DECLINED)


END_OF_UNDO = {
    Undo.EXPIRED: State.EXPIRED,
    Undo.DECLINED: State.PAYMENT_FAILED,
    Undo.PROVIDER_REFUSED: State.PAYMENT_FAILED,
    Undo.SLOT_LOST: State.CANCELLED,
    Undo.AMOUNT_MISMATCH: State.CANCELLED,
    Undo.CANCELLED: State.CANCELLED,
}


class PaymentStatus(StrEnum):
    """Where a payment stands; the last two are derived from its refunds, never stored."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class RefundStatus(StrEnum):
    """Where a refund stands. PENDING counts as given back."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class AskedPrice:
    """A price that came with an order: decimal text and a currency, either of them empty when it was not named."""

    amount: str
    currency: str
    decides: bool  # a service's word is the price; a person's must equal the tutor's

    def settled(self, tutors: Money) -> Money:
        """The price, where the tutor asks this. Raises AmountMismatch."""
        currency = self.currency or tutors.currency
        if not self.amount:
            asked, is_the_price = tutors, currency == tutors.currency
        else:
            asked = self._in(currency)
            is_the_price = self.decides or asked == tutors
        if not is_the_price:
            raise AmountMismatch("the price is not the tutor's", field="price")
        return asked

    def _in(self, currency: str) -> Money:
        try:
            return Money.exactly(Decimal(self.amount), currency)
        except ValueError as error:  # of the tutor's currency: in one that was named, the request was refused before
            raise AmountMismatch(f"no such price: {error}", field="price") from None

    def kept(self) -> dict[str, Any]:
        """What the saga remembers of it."""
        return {"amount": self.amount, "currency": self.currency, "decides": self.decides}


@dataclass(frozen=True, slots=True)
class Order:
    """A lesson somebody wants to buy."""

    student_id: UUID
    tutor_id: UUID
    start: datetime
    minutes: int
    course_id: UUID | None
    purpose: str
    key: str
    price: AskedPrice | None = None
    payment_engine: str = ""  # empty: whichever the booking has; of a new one, Stripe


@dataclass(frozen=True, slots=True)
class CourseOrder:
    """A place in a course somebody wants to buy."""

    student_id: UUID
    course_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a saga around a lesson is about."""

    tutor_id: UUID
    start: datetime
    minutes: int
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Saga:
    """One row of the saga table, as it was read at `loaded_at` (the database's clock).

    `booking_id` is what is sold: a booking, or the enrollment in the course `course_id`. A course's instructor is its
    `tutor_id`, unknown until the seat is held.
    """

    id: UUID
    kind: str
    version: int
    state: State
    student_id: UUID
    tutor_id: UUID | None
    time_slot: datetime | None
    minutes: int | None
    booking_id: UUID
    session_id: UUID | None
    payment_id: UUID
    payment_intent_id: str | None
    context: dict[str, Any]
    fence: int
    news: int
    attempt: int
    error: dict[str, str] | None
    is_complete: bool
    request_hash: bytes
    lease_owner: str | None
    lease_until: datetime | None
    wake_at: datetime | None
    hold_ends: datetime | None
    state_since: datetime
    created_at: datetime
    updated_at: datetime
    loaded_at: datetime
    course_id: UUID | None = None
    #: When the hold ends on this process's monotonic clock; known only to the drive that asked for it.
    hold_ends_monotonic: float | None = field(default=None, compare=False)

    @property
    def lesson(self) -> Lesson:
        """The lesson it is about; only where there is one."""
        assert self.tutor_id is not None and self.time_slot is not None
        assert self.minutes is not None and self.session_id is not None
        return Lesson(self.tutor_id, self.time_slot, self.minutes, self.session_id)

    @property
    def payment_context(self) -> str:
        """What its payment is for, in the words of its metadata."""
        return "SESSION_BOOKING" if self.course_id is None else "COURSE_ENROLLMENT"

    @property
    def context_id(self) -> UUID | None:
        """The session or the course that its payment is for."""
        return self.course_id or self.session_id

    @property
    def price(self) -> Money | None:
        """The price; None until the slot or the seat is held."""
        price = self.context.get("price")
        return Money(price["amount_minor"], price["currency"]) if price else None

    @property
    def payment_engine(self) -> str:
        """Who takes its money: chosen with the order, and never changed."""
        return str(self.context.get("payment_engine", STRIPE))

    @property
    def asked_price(self) -> AskedPrice | None:
        """The price that came with the order, if one did."""
        asked = self.context.get("asked_price")
        return AskedPrice(**asked) if asked else None

    @property
    def undo(self) -> Undo:
        """Why it is undone; only while COMPENSATING and after."""
        return Undo(self.context["undo"])

    @property
    def refund_due(self) -> Money | None:
        """What was decided to go back when a person cancelled; None when nobody did."""
        cancel, price = self.context.get("cancel"), self.price
        return Money(cancel["refund_minor"], price.currency) if cancel and price else None

    @property
    def was_closed_unpaid(self) -> bool:
        """True when it ended with an intent that nobody had paid: whatever comes of it later was decided by nobody."""
        return bool(self.context.get("unpaid"))

    @property
    def never_booked(self) -> bool:
        """True when it turned back before there was a booking to show: to its student it never happened."""
        turned_back = self.state is State.COMPENSATING or (self.is_complete and self.state is not State.COMPLETED)
        return turned_back and not self.context.get("booked")

    @property
    def was_resolved(self) -> bool:
        """True when a person has closed it: machines leave it alone."""
        return bool(self.context.get("resolved"))

    @property
    def hold_is_over(self) -> bool:
        return self.hold_ends is not None and self.hold_ends <= self.loaded_at

    @property
    def is_leased(self) -> bool:
        return self.lease_until is not None and self.lease_until > self.loaded_at

    @property
    def seconds_in_state(self) -> float:
        return (self.loaded_at - self.state_since).total_seconds()

    def knowing(self, **facts: Any) -> Saga:
        """The same saga with more in its context (kept by the next commit)."""
        return replace(self, context={**self.context, **facts})


@dataclass(frozen=True, slots=True)
class Paid:
    """What the provider says was received."""

    amount_minor: int
    currency: str

    def settles(self, price: Money) -> bool:
        return (self.amount_minor, self.currency) == (price.amount_minor, price.currency)


@dataclass(frozen=True, slots=True)
class Move:
    """What one commit does to a saga. Exactly one of driving on, sleeping, waiting for the hold's end, or resting.

    Raises ValueError for a move that MOVES does not list.
    """

    saga: Saga  # its context and intent are what is written
    state: State
    event: str
    detail: str = ""
    drive_on: bool = False
    sleep: float | None = None
    wait: bool = False
    failed_attempt: bool = False
    takes_over: bool = False  # the mover is not the owner: whoever thinks it is loses the fence
    error: dict[str, str] | None = None
    payment: PaymentStatus | None = None
    received: Paid | None = None
    tells: State | None = None  # how what is sold has ended: people are told, in the same commit, once

    def __post_init__(self) -> None:
        came_from = self.saga.state
        if self.state is not came_from and self.state not in MOVES.get(came_from, ()):
            raise ValueError(f"{came_from} → {self.state} is no move")


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back from one PaymentIntent."""

    id: UUID
    payment_id: UUID
    saga_id: UUID
    payment_intent_id: str
    amount: Money
    status: RefundStatus
    reason: str
    provider_refund_id: str | None = None
    is_new: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A decision to give money back: how much, of which intent, why. `name` makes repeats of it the same decision."""

    name: str
    intent_id: str
    amount: Money
    reason: str

    def refund_id(self, failed_before: int) -> UUID:
        """The id of the refund that carries it out; another one after each that the provider failed."""
        return uuid5(NAMESPACE, f"refund:{self.name}:{failed_before}")


def everything_of(intent_id: str, paid: Paid, reason: str) -> GiveBack:
    """All of an intent: whoever decides on it, at once or again, decides on the same."""
    return GiveBack(f"{intent_id}:full", intent_id, Money(paid.amount_minor, paid.currency), reason)


def imported_refund_id(provider_refund_id: str) -> UUID:
    """Our id for a refund that somebody made at the provider."""
    return uuid5(NAMESPACE, f"import:{provider_refund_id}")


def dispute_case_id(dispute_id: str) -> UUID:
    """The id of the case that waits for a person because of a dispute."""
    return uuid5(NAMESPACE, f"dispute:{dispute_id}")


@dataclass(frozen=True, slots=True)
class Payment:
    """What a purchase costs and what became of it. `refunded_minor` counts refunds that have not failed.

    `booking_id` is the booking or the enrollment that it pays for.
    """

    id: UUID
    saga_id: UUID
    booking_id: UUID
    session_id: UUID | None
    student_id: UUID
    tutor_id: UUID | None
    amount: Money
    stored_status: PaymentStatus
    context: str
    context_id: UUID
    intent_id: str
    received_minor: int
    disputed: bool
    created_at: datetime
    refunded_minor: int
    refunds: tuple[Refund, ...] = ()

    @property
    def status(self) -> PaymentStatus:
        if self.stored_status is not PaymentStatus.SUCCEEDED or not self.refunded_minor:
            return self.stored_status
        whole = self.refunded_minor >= self.received_minor
        return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was committed about a saga."""

    at: datetime
    state: str
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the saga that sells a booking did, oldest first, and whose booking it is."""

    booking_id: UUID
    student_id: UUID
    tutor_id: UUID
    events: tuple[Event, ...]


class NeedsAPerson(Exception):
    """What a machine must not decide: the saga is parked with this reason."""

    reason = "NEEDS_A_PERSON"


class CourseNotFound(Refusal):
    """There is no such course."""

    code = StatusCode.NOT_FOUND
    reason = "COURSE_NOT_FOUND"


class IdempotencyMismatch(Refusal):
    """This idempotency key was used for another request."""

    reason = "IDEMPOTENCY_MISMATCH"


class SlotTaken(Refusal):
    """Somebody else has this time."""

    reason = "SLOT_TAKEN"


class ProviderUnavailable(Refusal):
    """The payment provider cannot be reached now; the same request may be sent again."""

    code = StatusCode.UNAVAILABLE
    reason = "PAYMENT_PROVIDER_UNAVAILABLE"


class AmountMismatch(Refusal):
    """The amount is not the booking's price."""

    reason = "AMOUNT_MISMATCH"


class NotCancellable(Refusal):
    """It has ended already, or its lesson has begun."""

    reason = "NOT_CANCELLABLE"


class QuoteExpired(Refusal):
    """The quote is older than 15 minutes, or what it was given for has changed."""

    reason = "QUOTE_EXPIRED"


class EngineMismatch(Refusal):
    """The booking is paid through another payment engine."""

    reason = "ENGINE_MISMATCH"


class WrongState(Refusal):
    """Its state does not allow this."""

    reason = "WRONG_STATE"


class BadSignature(Refusal):
    """The signature does not fit the body."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "BAD_SIGNATURE"


class KeyUsed(Refusal):
    """The student has used this idempotency key before."""

    reason = "IDEMPOTENCY_KEY_USED"


class OpenAlready(Refusal):
    """The student has an open saga for this tutor and time, or for this course."""

    reason = "HAS_OPEN_SAGA"
