"""Did the payment provider refuse the payment of what was just bought? GraphQL and REST both tell it."""

from __future__ import annotations

from mesh.errors import Refusal
from tutormesh.payment.v1 import payment_pb2

#: The states of a saga after the provider refused to open its payment: while it is undone, and after.
_ENDING = frozenset({"COMPENSATING", "PAYMENT_FAILED"})


class PaymentRefused(Refusal):
    """The payment provider does not take this payment; it may be below the least amount of its currency."""

    reason = "PAYMENT_REFUSED"


def payment_refusal(reply: payment_pb2.BookSessionResponse | payment_pb2.EnrollInCourseResponse) -> Refusal | None:
    """The refusal that ended this purchase at once. None when its payment was opened, or nothing is to be paid."""
    was_opened = reply.payment_intent_id or not reply.payment_id
    return None if was_opened or reply.saga_state not in _ENDING else PaymentRefused()
