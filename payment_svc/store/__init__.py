"""The SQL of payment_svc: sagas and their transitions, payments, refunds, provider events, keys, messages.

Only a provider that keeps its books in our database has SQL elsewhere (providers/callback.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.database import Database
from payment_svc.domain import KeyUsed, OpenAlready, ReferenceUsed, TooManyKeys
from payment_svc.domain.messages import DeliveryRoute
from payment_svc.store.auditing import AuditStore
from payment_svc.store.cancellations import CancellationStore
from payment_svc.store.events import EventStore
from payment_svc.store.keys import KeyStore
from payment_svc.store.notifications import NotificationStore
from payment_svc.store.operators import OperatorStore
from payment_svc.store.payments import PaymentStore
from payment_svc.store.refunds import RefundStore
from payment_svc.store.refused import RefusedStore
from payment_svc.store.sagas import SagaStore

#: How long an event of the inbox belongs to who claimed it, in leases.
CLAIM_LEASES = 2.5
#: The refusal for each rule of the schema that a statement can violate.
VIOLATIONS = {
    "saga_open_slot": OpenAlready,
    "saga_open_course": OpenAlready,
    "callback_reference_pkey": ReferenceUsed,
    "idempotency_key_pkey": KeyUsed,
    "idempotency_key_limit": TooManyKeys,
}


@dataclass(frozen=True, slots=True)
class Stores:
    """Every table of this service, each behind the store that owns it."""

    sagas: SagaStore
    cancellations: CancellationStore
    payments: PaymentStore
    refunds: RefundStore
    events: EventStore
    keys: KeyStore
    refused: RefusedStore
    operators: OperatorStore
    notifications: NotificationStore
    audit: AuditStore

    @classmethod
    def of(cls, database: Database, owner: str, lease_seconds: float, routes: Sequence[DeliveryRoute] = ()) -> Stores:
        """The stores of one replica. `owner` names it in its leases; messages about its commits go along `routes`."""
        sagas = SagaStore(database, owner, lease_seconds, routes)
        return cls(
            sagas,
            CancellationStore(database, owner, lease_seconds),
            PaymentStore(database),
            RefundStore(database, routes),
            EventStore(database, sagas, claim_seconds=CLAIM_LEASES * lease_seconds),
            KeyStore(database),
            RefusedStore(database),
            OperatorStore(database),
            NotificationStore(database),
            AuditStore(database),
        )


__all__ = [
    "VIOLATIONS",
    "AuditStore",
    "CancellationStore",
    "EventStore",
    "KeyStore",
    "NotificationStore",
    "OperatorStore",
    "PaymentStore",
    "RefundStore",
    "RefusedStore",
    "SagaStore",
    "Stores",
]
