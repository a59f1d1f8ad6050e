"""A saga's row, what one commit does to it, and what its events tell."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh.money import Money
from payment_svc.domain.facts import (
    CancelDecision,
    CancelFacts,
    CaseFacts,
    Facts,
    LessonFacts,
    PurchaseFacts,
    RefundCaseFacts,
    SagaError,
)
from payment_svc.domain.orders import Lesson
from payment_svc.domain.payments import Received
from payment_svc.domain.states import TRANSITIONS, PaymentStatus, State


@dataclass(frozen=True, slots=True)
class Resolution:
    """A person closed the saga. `received_minor` is what its intent had received by then, when that was kept."""

    received_minor: int | None


@dataclass(frozen=True, slots=True)
class Saga:
    """One row of the saga table, as it was read at `loaded_at` by the database's clock."""

    id: UUID
    kind: str
    version: int
    state: State
    student_id: UUID
    tutor_id: UUID | None  # of a course: its instructor, unknown until the seat is held
    time_slot: datetime | None
    minutes: int | None
    sold_id: UUID  # the booking or the enrollment; all sagas around one purchase share it
    session_id: UUID | None
    payment_id: UUID
    payment_intent_id: str | None
    facts: Facts
    fence: int
    signals: int  # how often something outside has asked the saga to look again
    attempt: int
    error: SagaError | None
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
    parked_from: State | None = None  # the state in which a PARKED saga goes on when somebody retries it
    resolution: Resolution | None = None
    looked_at: datetime | None = None  # when its student last had the provider asked about the payment
    seen_paid: bool | None = None  # whether the provider had the money then; None while its answer is unknown
    traceparent: str = ""  # the span in which it was begun, for links to it (W3C: Trace Context)
    #: When the hold ends on this process's monotonic clock. Only the run that asked for the hold knows it.
    hold_ends_monotonic: float | None = field(default=None, compare=False)
    #: The booking as its service has just recorded it. Only the run that had it recorded knows it.
    recorded: object = field(default=None, compare=False, repr=False)

    # What it is about.

    @property
    def ids(self) -> dict[str, object]:
        """The ids that belong to it, by their names in log lines; None where there is none."""
        sold = "booking_id" if self.course_id is None else "enrollment_id"
        return {
            "saga_id": self.id,
            sold: self.sold_id,
            "session_id": self.session_id,
            "payment_id": self.payment_id,
            "intent_id": self.payment_intent_id,
        }

    @property
    def lesson(self) -> Lesson:
        """The lesson that the saga is about. Only a lesson's saga has one."""
        assert self.tutor_id is not None and self.time_slot is not None
        assert self.minutes is not None and self.session_id is not None
        return Lesson(self.tutor_id, self.time_slot, self.minutes, self.session_id)

    @property
    def payment_context(self) -> str:
        """What the payment is for, as the intent's metadata says it."""
        return "SESSION_BOOKING" if self.course_id is None else "COURSE_ENROLLMENT"

    @property
    def context_id(self) -> UUID | None:
        """The session or the course that the payment is for."""
        return self.course_id or self.session_id

    # What it has learned.

    @property
    def purchase_facts(self) -> PurchaseFacts:
        """The facts of a saga that sells."""
        assert isinstance(self.facts, PurchaseFacts)
        return self.facts

    @property
    def lesson_facts(self) -> LessonFacts:
        """The facts of a saga that sells a lesson."""
        assert isinstance(self.facts, LessonFacts)
        return self.facts

    @property
    def taken_back(self) -> CancelFacts:
        """The facts of a saga that takes back what was sold."""
        assert isinstance(self.facts, CancelFacts)
        return self.facts

    @property
    def refund_case(self) -> RefundCaseFacts:
        """The facts of a case about a refund that was given up."""
        assert isinstance(self.facts, RefundCaseFacts)
        return self.facts

    @property
    def price(self) -> Money | None:
        """The price. It is None until the slot or the seat is held."""
        return None if isinstance(self.facts, CaseFacts) else self.facts.price

    @property
    def is_free(self) -> bool:
        return self.price is not None and self.price.amount_minor == 0

    @property
    def cancel(self) -> CancelDecision | None:
        """What was decided when a person cancelled; None when nobody did."""
        return None if isinstance(self.facts, CaseFacts) else self.facts.cancel

    @property
    def refund_due(self) -> Money | None:
        """How much a person's cancel decided to give back; None when nobody cancelled."""
        cancel, price = self.cancel, self.price
        return Money(cancel.refund_minor, price.currency) if cancel and price else None

    @property
    def has_ended(self) -> bool:
        """True once what was sold has ended, and at most its money is still on its way."""
        return self.is_complete or (not isinstance(self.facts, CaseFacts) and self.facts.has_ended)

    @property
    def was_never_booked(self) -> bool:
        """True when the saga turned back before its booking was recorded: for its student it never happened."""
        turned_back = self.state is State.COMPENSATING or (self.is_complete and self.state is not State.COMPLETED)
        return turned_back and not (isinstance(self.facts, PurchaseFacts) and self.facts.is_recorded)

    def recalling(self, before: Saga) -> Saga:
        """The same, with what the run knew before its commit and no row keeps."""
        return self if before.recorded is None else replace(self, recorded=before.recorded)

    def with_facts(self, **facts: Any) -> Saga:
        """The same saga with these facts changed. The next commit writes them."""
        return replace(self, facts=replace(self.facts, **facts))

    # How its row stands.

    def was_resolved_with(self, received_minor: int) -> bool:
        """True when a person has closed the saga and no more money has come since."""
        if self.resolution is None:
            return False
        then = self.resolution.received_minor
        return then is None or received_minor <= then

    @property
    def is_repeat(self) -> bool:
        """True when an earlier run may have done something that the row does not know."""
        return self.fence > 1 or self.attempt > 0 or self.signals > 0

    @property
    def hold_is_over(self) -> bool:
        return self.hold_ends is not None and self.hold_ends <= self.loaded_at

    @property
    def is_leased(self) -> bool:
        return self.lease_until is not None and self.lease_until > self.loaded_at

    @property
    def seconds_in_state(self) -> float:
        return (self.loaded_at - self.state_since).total_seconds()


@dataclass(frozen=True, slots=True)
class Transition:
    """What one commit does to a saga.

    The saga then keeps its lease (`keep_lease`), waits for its payment until the hold ends (`await_payment`), sleeps
    `retry_in` seconds, or has ended or is parked. Raises ValueError for a transition that TRANSITIONS does not list.
    """

    saga: Saga  # its facts and its intent are written
    state: State
    event: str  # what the saga's history tells; empty: nothing
    detail: str = ""
    keep_lease: bool = False
    await_payment: bool = False
    retry_in: float | None = None
    has_failed: bool = False  # an attempt has failed: count it
    takes_over: bool = False  # the writer is not the owner: the owner loses the fence
    error: SagaError | None = None
    payment: PaymentStatus | None = None
    received: Received | None = None
    announces: State | None = None  # how what was sold has ended: the same commit writes the messages, once

    def __post_init__(self) -> None:
        came_from = self.saga.state
        if self.state is not came_from and self.state not in TRANSITIONS.get(came_from, ()):
            raise ValueError(f"{came_from} → {self.state} is no transition")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was committed about a saga."""

    at: datetime
    state: str
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events of the saga that sold something, oldest first, and whose purchase it is."""

    sold_id: UUID
    student_id: UUID
    tutor_id: UUID
    events: tuple[Event, ...]
