"""/payment: what a client needs to pay for a booking."""

from __future__ import annotations

from starlette.responses import Response

from bff.http import envelope
from bff.peers import READ_SECONDS
from bff.rest.endpoints import Endpoint, RestRequest
from bff.rest.operations import describe
from mesh import wire
from tutormesh.payment.v1 import payment_pb2

NAMES = {"booking_id": "bookingId"}


async def create_payment_intent(request: RestRequest) -> Response:
    """200 with the client secret of the booking's live PaymentIntent, under REST's names and under the request's."""
    fields = request.read_body()
    amount = fields.money("amount", fields.currency("currency"))
    wanted = payment_pb2.CreatePaymentIntentRequest(booking_id=fields.uuid("bookingId"), amount=wire.to_money(amount))
    reply = await request.peers.payment.CreatePaymentIntent(wanted, timeout=READ_SECONDS)
    intent, secret = reply.payment_intent_id, reply.client_secret or None
    data = {"payment_session_id": reply.payment_session_id or intent, "payment_url": reply.payment_url or None}
    data |= {"client_secret": secret, "paymentIntentId": intent, "clientSecret": secret}
    return envelope.success("the payment can be made", data)


_CREATE_INTENT = describe("createIntent", "The client secret of a payment", body="PaymentToMake", answer="LivePayment")
ENDPOINTS = (
    Endpoint(
        "POST",
        "/payment/create-intent",
        frozenset({"student", "service"}),
        create_payment_intent,
        _CREATE_INTENT,
        NAMES,
    ),
)
