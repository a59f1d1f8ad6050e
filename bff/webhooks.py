"""The webhook endpoint: Stripe's bytes go unchanged to the payment service, which alone has the secret."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from bff.http import bodies, envelope
from bff.http.addresses import client_address
from bff.http.bodies import BadBody
from bff.http.in_flight import InFlightLimit
from bff.peers import Peers
from mesh.errors import Refusal, TryAgain
from mesh.logs import log
from tutormesh.payment.v1 import payment_pb2

MAX_BODY_BYTES = 512 * 1024
STORE_SECONDS = 8.0
#: The same bytes would be refused again.
_FINAL = frozenset({"BAD_SIGNATURE", "BAD_USER_INPUT"})


class WebhookEndpoint:
    """200 once the event is stored, 400 on a bad signature, 503 when it was not stored: then Stripe sends it again."""

    def __init__(self, peers: Peers, in_flight: InFlightLimit) -> None:
        self._peers, self._in_flight = peers, in_flight

    async def post(self, request: Request) -> Response:
        try:
            payload = await bodies.read_body(request, MAX_BODY_BYTES)
        except BadBody as error:
            return envelope.bad_body(error)
        event = payment_pb2.HandleStripeWebhookRequest(
            payload=payload, signature=request.headers.get("stripe-signature", "")
        )
        try:
            async with self._in_flight.turn(("webhook", client_address(request))):
                await self._peers.payment.HandleStripeWebhook(event, timeout=STORE_SECONDS)
        except Exception as error:  # whatever the error is, the event may not be stored
            return _failure(error)
        return envelope.success("the event is stored", {"received": True})


def _failure(error: Exception) -> Response:
    if isinstance(error, Refusal) and error.reason in _FINAL:
        log().warning("webhook_refused", reason=error.reason)
        return envelope.failure(400, error.reason, error.message)
    log().error("webhook_not_stored", error=f"{type(error).__name__}: {error}")
    return envelope.failure(503, TryAgain.reason, "not stored", headers={"retry-after": "5"})
