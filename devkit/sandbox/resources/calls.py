"""One request as an operation sees it, and what its caller may see."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from devkit.sandbox.resources import shapes
from devkit.sandbox.store import Store
from devkit.sandbox.webhooks.outbox import Outbox
from devkit.sandbox.wire.errors import ApiError, Json, missing, no_such
from devkit.sandbox.wire.params import Params


def now() -> int:
    """The sandbox's clock: Unix seconds."""
    return int(time.time())


@dataclass(slots=True)
class Call:
    """What an operation may use. An operation runs inside one store transaction and never awaits.

    `publishable` is true for a browser's key. `fault` names a fault that the operation itself must simulate.
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
        """Return the object, or raise ApiError resource_missing."""
        found = self.store.find(kind, identifier)
        if found is None:
            raise no_such(kind, identifier, param, status)
        return found

    def emit(self, kind: str, subject: Json) -> None:
        """Store an event with the object as it is now, and queue its webhooks."""
        is_sent = self.outbox.is_sent(kind)
        event = shapes.event(kind, subject, self.now, self.request_id, self.idempotency_key, pending=int(is_sent))
        self.store.put(event)
        if is_sent:
            self.outbox.enqueue(event["id"])


def unexpected_state(call: Call, intent: Json, message: str) -> ApiError:
    """The error for an operation that the intent's status forbids. It carries the intent, as Stripe's does."""
    code = "payment_intent_unexpected_state"
    return ApiError(message, code=code, executed=True, payment_intent=visible_fields(call, intent))


# The fields of a PaymentIntent that a publishable key may see.
_PUBLIC = frozenset(
    """id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method
    client_secret confirmation_method created currency description last_payment_error livemode next_action
    payment_method payment_method_types processing receipt_email setup_future_usage shipping source status""".split()
)


def visible_fields(call: Call, intent: Json) -> Json:
    """The fields of the intent that this caller may see; the publishable key sees neither metadata nor charges."""
    if not call.publishable:
        return intent
    return {name: value for name, value in intent.items() if name in _PUBLIC}


def find_reachable_intent(call: Call, identifier: str) -> Json:
    """Return the intent, which the publishable key can reach by its client secret only. Raises ApiError."""
    intent, secret = call.get("payment_intent", identifier), call.params.text("client_secret")
    if secret is None and call.publishable:
        raise missing("client_secret")
    if secret is not None and secret != intent["client_secret"]:
        message = "The client_secret provided does not match any associated PaymentIntent on this account."
        raise ApiError(message, code="resource_missing", param="client_secret")
    return intent
