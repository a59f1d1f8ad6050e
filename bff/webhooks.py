"""The webhook door: what Stripe sends goes untouched to the payment service, the only one that has the secret."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from bff.http import bodies, envelope
from bff.http.bodies import BadBody
from bff.peers import Peers
from mesh.errors import Refusal, TryAgain
from mesh.logs import log
from tutormesh.payment.v1 import payment_pb2

MAX_BODY_BYTES = 512 * 1024
STORE_SECONDS = 8.0
#: What sending the same bytes again cannot mend.
_FINAL = frozenset({"BAD_SIGNATURE", "BAD_USER_INPUT"})


class WebhookDoor:
    """200 once the event is stored, 400 on a bad signature, 503 when it could not be stored: Stripe will try again."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def post(self, request: Request) -> Response:
        try:
            payload = await bodies.read(request, MAX_BODY_BYTES)
        except BadBody as error:
            return envelope.not_taken(error)
        event = payment_pb2.HandleStripeWebhookRequest(
            payload=payload, signature=request.headers.get("stripe-signature", "")
        )
        try:
            await self._peers.payment.HandleStripeWebhook(event, timeout=STORE_SECONDS)
        except Exception as error:  # whatever it was, the event is not known to be stored
            return _refused(error)
        return envelope.done("the event is stored", {"received": True})


def _refused(error: Exception) -> Response:
    if isinstance(error, Refusal) and error.reason in _FINAL:
        log().warning("webhook_refused", reason=error.reason)
        return envelope.failed(400, error.reason, error.message)
    log().error("webhook_not_stored", error=f"{type(error).__name__}: {error}")
    return envelope.failed(503, TryAgain.reason, "not stored", headers={"retry-after": "5"})
