"""One request as the operations see it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from . import shapes
from .errors import ApiError, Json, missing, no_such
from .outbox import Outbox
from .params import Params
from .store import Store


def now() -> int:
    """The sandbox's clock: Unix seconds."""
    return int(time.time())


@dataclass(slots=True)
class Call:
    """What one operation may use. It runs inside one store transaction and never awaits.

    `publishable` is true for the browser's key; `fault` is what the operation itself must simulate.
    """

    store: Store
    outbox: Outbox
    params: Params
    request_id: str | None = None
    idempotency_key: str | None = None
    publishable: bool = False
    fault: str | None = None
    now: int = field(default_factory=now)

    def get(self, kind: str, identifier: str, param: str = "id", status: int = 404) -> Json:
        """The object, or ApiError resource_missing."""
        found = self.store.find(kind, identifier)
        if found is None:
            raise no_such(kind, identifier, param, status)
        return found

    def emit(self, kind: str, subject: Json) -> None:
        """Records that something happened, with the object as it is now, and queues its webhooks."""
        pending = 1 if self.outbox.sends else 0
        event = shapes.event(kind, subject, self.now, self.request_id, self.idempotency_key, pending)
        self.store.put(event)
        self.outbox.enqueue(event["id"])


def unexpected_state(call: Call, intent: Json, message: str) -> ApiError:
    """The intent's status forbids this; the error carries the intent, as Stripe's does."""
    code = "payment_intent_unexpected_state"
    return ApiError(message, code=code, executed=True, payment_intent=seen_by(call, intent))


# What Stripe.js is shown of a PaymentIntent.
_PUBLIC = frozenset(
    """id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method
    client_secret confirmation_method created currency description last_payment_error livemode next_action
    payment_method payment_method_types processing receipt_email setup_future_usage shipping source status""".split()
)


def seen_by(call: Call, intent: Json) -> Json:
    """The intent as this caller may see it: the publishable key is shown neither metadata nor charges."""
    if not call.publishable:
        return intent
    return {name: value for name, value in intent.items() if name in _PUBLIC}


def reached(call: Call, identifier: str) -> Json:
    """The intent this caller may reach: with the publishable key only by its client secret."""
    intent, secret = call.get("payment_intent", identifier), call.params.text("client_secret")
    if secret is None and call.publishable:
        raise missing("client_secret")
    if secret is not None and secret != intent["client_secret"]:
        message = "The client_secret provided does not match any associated PaymentIntent on this account."
        raise ApiError(message, code="resource_missing", param="client_secret")
    return intent
