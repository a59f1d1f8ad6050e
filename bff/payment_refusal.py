"""Whether what was bought can be paid at all."""

from __future__ import annotations

from mesh.errors import Refusal
from tutormesh.payment.v1 import payment_pb2

#: Where a saga is once the provider has refused to open its payment: on its way to its end, and there.
_TURNED_BACK = frozenset({"COMPENSATING", "PAYMENT_FAILED"})


class PaymentRefused(Refusal):
    """The payment provider does not take this payment; it may be below the least amount of its currency."""

    reason = "PAYMENT_REFUSED"


def refused_payment(reply: payment_pb2.BookSessionResponse | payment_pb2.EnrollInCourseResponse) -> Refusal | None:
    """Why what was made has ended at once; None when its payment was opened, or there is nothing to pay."""
    was_opened = reply.payment_intent_id or not reply.payment_id
    return None if was_opened or reply.saga_state not in _TURNED_BACK else PaymentRefused()
