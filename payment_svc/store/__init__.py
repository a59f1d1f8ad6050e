"""All the SQL of payment_svc: sagas and their moves, payments and refunds, Stripe's events."""

from payment_svc.store.cancellations import CancellationStore
from payment_svc.store.events import EventStore
from payment_svc.store.payments import PaymentStore
from payment_svc.store.refunds import RefundStore
from payment_svc.store.sagas import SagaStore

__all__ = ["CancellationStore", "EventStore", "PaymentStore", "RefundStore", "SagaStore"]
