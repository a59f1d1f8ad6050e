"""/payment: what a client needs to pay for a booking."""

from __future__ import annotations

from starlette.responses import Response

from bff.graphql.loaders import READ_SECONDS
from bff.http import envelope
from bff.rest.door import Asked, Operation
from mesh import wire
from tutormesh.payment.v1 import payment_pb2

NAMES = {"booking_id": "bookingId"}


async def create_intent(asked: Asked) -> Response:
    """200 with the client secret of the booking's live PaymentIntent, named in REST's style and in the request's own."""
    fields = await asked.body()
    amount = fields.money("amount", fields.currency("currency"))
    request = payment_pb2.CreatePaymentIntentRequest(booking_id=fields.uuid("bookingId"), amount=wire.to_money(amount))
    reply = await asked.mesh.payment.CreatePaymentIntent(request, timeout=READ_SECONDS)
    intent, secret = reply.payment_intent_id, reply.client_secret or None
    data = {"payment_session_id": intent, "client_secret": secret, "paymentIntentId": intent, "clientSecret": secret}
    return envelope.done("the payment can be made", data)


OPERATIONS = (Operation("POST", "/payment/create-intent", frozenset({"student", "service"}), create_intent, NAMES),)
