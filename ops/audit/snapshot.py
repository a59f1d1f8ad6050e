"""What the mesh and the payment provider hold at about one time, and which record belongs to which."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from ops.audit.records import PARKED, Booking, Claim, Course, Enrollment, Intent, Payment, Refund, Saga, Session

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Snapshot:
    """All records. `taken_at` is this process's clock: good enough to compare minutes, not seconds."""

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
        return group_by(self.claims, lambda claim: claim.saga_id)

    @cached_property
    def bookings_by_saga(self) -> dict[str, list[Booking]]:
        return group_by(self.bookings, lambda booking: booking.saga_id)

    @cached_property
    def sessions_by_saga(self) -> dict[str, list[Session]]:
        return group_by(self.sessions, lambda session: session.saga_id)

    @cached_property
    def refunds_by_intent(self) -> dict[str, list[Refund]]:
        """Our refunds, by the intent whose money they return."""
        refunds = (refund for payment in self.payments for refund in payment.refunds)
        return group_by(refunds, lambda refund: refund.intent_id)

    @cached_property
    def cancel_by_purchase(self) -> dict[str, Saga]:
        """The valid cancel saga, open or complete, by the id of the purchase that it cancels."""
        return {saga.cancels: saga for saga in self.sagas if saga.is_valid_cancel}

    @cached_property
    def _with_people(self) -> frozenset[str]:
        sagas = (saga for saga in self.sagas if saga.is_purchase or saga.is_valid_cancel)
        return frozenset(saga.sold_id for saga in sagas if saga.is_with_a_person)

    @cached_property
    def _disputed(self) -> frozenset[str]:
        return frozenset(saga.sold_id for saga in self.sagas if saga.has_money_at_stake)

    @cached_property
    def _busy(self) -> frozenset[str]:
        return frozenset(saga.sold_id for saga in self.sagas if saga.is_open)

    def is_in_flight(self, saga: Saga) -> bool:
        """True while any saga of the same purchase is at work: its records need not agree yet."""
        return saga.sold_id in self._busy

    def is_with_a_person(self, saga: Saga) -> bool:
        """True when a person has to resolve this purchase or its cancel, or has done so: no record need agree."""
        return saga.sold_id in self._with_people

    def is_money_parked(self, saga: Saga) -> bool:
        """True when the purchase, its cancel or a dispute about it is parked: a person decides about its money."""
        return self.is_with_a_person(saga) or saga.sold_id in self._disputed

    def is_quiescent(self, saga_id: str) -> bool:
        """True when no saga works on this saga's records. A saga that does not exist works on nothing."""
        saga = self.saga_by_id.get(saga_id)
        return saga is None or not self.is_in_flight(saga)

    @cached_property
    def open_matters(self) -> tuple[OpenMatter, ...]:
        """What waits for a person. It breaks no invariant."""
        return tuple(OpenMatter(saga.id, saga.kind, saga.error) for saga in self.sagas if saga.state == PARKED)

    def counts(self) -> dict[str, int]:
        """How many records there are of each kind."""
        refunds = sum(len(intent.refunds) for intent in self.intents)
        kinds = ("sagas", "claims", "bookings", "sessions", "courses", "enrollments", "payments", "intents")
        return {**{kind: len(getattr(self, kind)) for kind in kinds}, "refunds": refunds}


@dataclass(frozen=True, slots=True)
class OpenMatter:
    """A saga that is PARKED until a person decides, and why."""

    saga_id: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One fact that breaks an invariant.

    `ids` names the records concerned. Two snapshots of the same breach compare equal: `what` holds no changing values.
    """

    invariant: str
    ids: tuple[str, ...]
    what: str
    do: str = field(compare=False)


def group_by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their key, each group in the order of the items."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
