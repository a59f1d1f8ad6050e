"""All the SQL of payment_svc: sagas and their moves, payments and refunds, Stripe's events."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.database import Database
from payment_svc.store.cancellations import CancellationStore
from payment_svc.store.events import EventStore
from payment_svc.store.keys import KeyStore
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

    @classmethod
    def of(cls, database: Database, owner: str, lease_seconds: float) -> Stores:
        """The stores of one replica; `owner` names it in its leases."""
        sagas = SagaStore(database, owner, lease_seconds)
        cancellations = CancellationStore(database, owner, lease_seconds)
        events = EventStore(database, sagas, claim_seconds=2.5 * lease_seconds)
        payments, refunds = PaymentStore(database), RefundStore(database)
        return cls(sagas, cancellations, payments, refunds, events, KeyStore(database), OperatorStore(database))


__all__ = [
    "CancellationStore",
    "EventStore",
    "KeyStore",
    "OperatorStore",
    "PaymentStore",
    "RefundStore",
    "SagaStore",
    "Stores",
]
