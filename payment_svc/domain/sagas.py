"""A saga's row, what one commit does to it, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh.money import Money
from payment_svc.domain.orders import AskedPrice, Lesson
from payment_svc.domain.payments import Paid
from payment_svc.domain.states import MOVES, STRIPE, PaymentStatus, State, Undo


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

    def was_resolved_with(self, received: int) -> bool:
        """True when a person has closed it and no more money (minor units) has come than there was then."""
        return self.was_resolved and received <= int(self.context.get("resolved_received", received))

    @property
    def is_repeat(self) -> bool:
        """True when an earlier owner, try or look may have done what its row does not know."""
        return self.fence > 1 or self.attempt > 0 or self.news > 0

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
