"""Everything the mesh and the payment provider say at about one time, and how it hangs together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from ops.audit.things import Booking, Claim, Course, Enrollment, Intent, Payment, Refund, Saga, Session

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Snapshot:
    """What there is. `taken_at` is this process's clock, good to judge minutes by, not seconds."""

    taken_at: datetime
    sagas: tuple[Saga, ...] = ()
    claims: tuple[Claim, ...] = ()
    bookings: tuple[Booking, ...] = ()
    sessions: tuple[Session, ...] = ()
    payments: tuple[Payment, ...] = ()
    intents: tuple[Intent, ...] = ()
    courses: tuple[Course, ...] = ()
    enrollments: tuple[Enrollment, ...] = ()

    @cached_property
    def saga_by_id(self) -> dict[str, Saga]:
        return {saga.id: saga for saga in self.sagas}

    @cached_property
    def booking_by_id(self) -> dict[str, Booking]:
        return {booking.id: booking for booking in self.bookings}

    @cached_property
    def session_by_id(self) -> dict[str, Session]:
        return {session.id: session for session in self.sessions}

    @cached_property
    def enrollment_by_id(self) -> dict[str, Enrollment]:
        return {enrollment.id: enrollment for enrollment in self.enrollments}

    @cached_property
    def payment_by_id(self) -> dict[str, Payment]:
        return {payment.id: payment for payment in self.payments}

    @cached_property
    def intent_by_id(self) -> dict[str, Intent]:
        return {intent.id: intent for intent in self.intents}

    @cached_property
    def claims_by_saga(self) -> dict[str, list[Claim]]:
        return grouped(self.claims, lambda claim: claim.saga_id)

    @cached_property
    def bookings_by_saga(self) -> dict[str, list[Booking]]:
        return grouped(self.bookings, lambda booking: booking.saga_id)

    @cached_property
    def sessions_by_saga(self) -> dict[str, list[Session]]:
        return grouped(self.sessions, lambda session: session.saga_id)

    @cached_property
    def enrollments_by_course(self) -> dict[str, list[Enrollment]]:
        return grouped(self.enrollments, lambda enrollment: enrollment.course_id)

    @cached_property
    def refunds_by_intent(self) -> dict[str, list[Refund]]:
        """Our refunds by the intent they give back from."""
        refunds = (refund for payment in self.payments for refund in payment.refunds)
        return grouped(refunds, lambda refund: refund.intent_id)

    @cached_property
    def cancel_by_purchase(self) -> dict[str, Saga]:
        """The cancel that stands, open or done, by the purchase that it takes back."""
        return {saga.cancels: saga for saga in self.sagas if saga.takes_back}

    @cached_property
    def _with_people(self) -> frozenset[str]:
        sagas = (saga for saga in self.sagas if saga.sells or saga.takes_back)
        return frozenset(saga.sold_id for saga in sagas if saga.is_with_a_person)

    @cached_property
    def _disputed(self) -> frozenset[str]:
        return frozenset(saga.sold_id for saga in self.sagas if saga.parks_money)

    @cached_property
    def _busy(self) -> frozenset[str]:
        return frozenset(saga.sold_id for saga in self.sagas if saga.is_open)

    def is_in_flight(self, saga: Saga) -> bool:
        """True while this saga, or another around the same purchase, is at work: its things need not agree yet."""
        return saga.sold_id in self._busy

    def is_with_a_person(self, saga: Saga) -> bool:
        """True when this purchase or its cancel waits for a person, or was closed by one: nothing need agree."""
        return saga.sold_id in self._with_people

    def is_money_parked(self, saga: Saga) -> bool:
        """True when a person has the money of this purchase in hand: it, its cancel or a dispute is parked."""
        return self.is_with_a_person(saga) or saga.sold_id in self._disputed

    def is_at_rest(self, saga_id: str) -> bool:
        """True when nobody works on the things of this saga, also because there is no such saga."""
        saga = self.saga_by_id.get(saga_id)
        return saga is None or not self.is_in_flight(saga)

    def counted(self) -> dict[str, int]:
        """How many of each kind there are."""
        refunds = sum(len(intent.refunds) for intent in self.intents)
        kinds = ("sagas", "claims", "bookings", "sessions", "courses", "enrollments", "payments", "intents")
        return {**{kind: len(getattr(self, kind)) for kind in kinds}, "refunds": refunds}


@dataclass(frozen=True, slots=True)
class Breach:
    """One fact that breaks an invariant. `ids` names what it is about; the words hold nothing that changes alone."""

    invariant: str
    ids: tuple[str, ...]
    what: str
    do: str = field(compare=False)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their key, in the order they came."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
