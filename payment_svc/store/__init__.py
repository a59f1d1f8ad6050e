"""All the SQL of payment_svc: sagas and their moves, payments and refunds, Stripe's events, what people are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.database import Database
from payment_svc.domain.messages import Lane
from payment_svc.store.callbacks import CallbackStore
from payment_svc.store.cancellations import CancellationStore
from payment_svc.store.events import EventStore
from payment_svc.store.keys import KeyStore
from payment_svc.store.notifications import NotificationStore
from payment_svc.store.operators import OperatorStore
from payment_svc.store.payments import PaymentStore
from payment_svc.store.refunds import RefundStore
from payment_svc.store.sagas import SagaStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Every table of this service, each behind the store that owns it."""

    sagas: SagaStore
    cancellations: CancellationStore
    payments: PaymentStore
    refunds: RefundStore
    events: EventStore
    keys: KeyStore
    operators: OperatorStore
    notifications: NotificationStore
    callbacks: CallbackStore

    @classmethod
    def of(cls, database: Database, owner: str, lease_seconds: float, lanes: Sequence[Lane] = ()) -> Stores:
        """The stores of one replica; `owner` names it in its leases. Along `lanes` people are told of what they commit."""
        sagas = SagaStore(database, owner, lease_seconds, lanes)
        cancellations = CancellationStore(database, owner, lease_seconds)
        events = EventStore(database, sagas, claim_seconds=2.5 * lease_seconds)
        return cls(
            sagas,
            cancellations,
            PaymentStore(database),
            RefundStore(database, lanes),
            events,
            KeyStore(database),
            OperatorStore(database),
            NotificationStore(database),
            CallbackStore(database),
        )


__all__ = [
    "CallbackStore",
    "CancellationStore",
    "EventStore",
    "KeyStore",
    "NotificationStore",
    "OperatorStore",
    "PaymentStore",
    "RefundStore",
    "SagaStore",
    "Stores",
]
