"""The webhook endpoint: it forwards bytes and signature unchanged, and answers Stripe what became of them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from grpc import StatusCode

from mesh.errors import BadInput, CallFailed, Overloaded, Refusal, TryAgain
from tutormesh.payment.v1 import payment_pb2

STORED = payment_pb2.HandleStripeWebhookResponse()
SIGNATURE = {"stripe-signature": "t=1,v1=abc"}
REFUSED = {"success": False, "message": "no signature", "data": None, "error": {"code": "BAD_SIGNATURE"}}


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/payment/webhook"])
async def test_the_event_is_forwarded_byte_for_byte(http: httpx.AsyncClient, script: Any, path: str) -> None:
    script.answers["HandleStripeWebhook"] = STORED
    body = b'{ "id":\r\n "evt_1",  "\xff\x00" }'
    answer = await http.post(path, content=body, headers=SIGNATURE | {"authorization": "Bearer ignored"})
    assert answer.status_code == 200
    seen = script.one("HandleStripeWebhook")
    assert (seen.request.payload, seen.request.signature) == (body, "t=1,v1=abc")
    assert (seen.call.person, seen.call.service) == (None, "bff")
    assert seen.call.request_id == answer.headers["x-request-id"]
    assert seen.seconds_left < 8.5


async def test_the_payment_service_judges_a_missing_signature(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["HandleStripeWebhook"] = Refusal.from_parts("INVALID_ARGUMENT", "BAD_SIGNATURE", "no signature")
    answer = await http.post("/webhooks/stripe", content=b"{}")
    assert (answer.status_code, answer.json()) == (400, REFUSED)
    assert script.one("HandleStripeWebhook").request.signature == ""


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Refusal.from_parts("INVALID_ARGUMENT", "BAD_SIGNATURE", "changed"), 400),
        (BadInput("not an event", field="payload"), 400),
        (TryAgain(), 503),
        (Overloaded(), 503),
        (Refusal.from_parts("FAILED_PRECONDITION", "SOMETHING_NEW", "?"), 503),
        (RuntimeError("the inside"), 503),
    ],
)
async def test_only_a_refusal_that_a_repeat_cannot_change_is_400(
    http: httpx.AsyncClient, script: Any, answer: Exception, status: int
) -> None:
    script.answers["HandleStripeWebhook"] = answer
    told = await http.post("/webhooks/stripe", content=b"{}", headers=SIGNATURE)
    assert told.status_code == status
    assert "inside" not in told.text


@pytest.mark.parametrize("failure", [CallFailed(StatusCode.UNAVAILABLE, "away"), OSError("no token file")])
async def test_a_payment_service_that_cannot_be_reached_is_503(
    http: httpx.AsyncClient, script: Any, peers: Any, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def away(*_: object, timeout: float) -> None:
        raise failure

    monkeypatch.setattr(peers.payment, "HandleStripeWebhook", away)
    answer = await http.post("/webhooks/stripe", content=b"{}", headers=SIGNATURE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_an_event_that_is_not_stored_in_time_is_503(
    http: httpx.AsyncClient, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.webhooks.STORE_SECONDS", 0.1)
    script.answers["HandleStripeWebhook"] = never
    assert (await http.post("/webhooks/stripe", content=b"{}", headers=SIGNATURE)).status_code == 503


async def test_an_event_beyond_512_kib_is_413(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["HandleStripeWebhook"] = STORED
    largest = b"x" * (512 * 1024)
    assert (await http.post("/webhooks/stripe", content=largest, headers=SIGNATURE)).status_code == 200
    assert (await http.post("/webhooks/stripe", content=largest + b"x", headers=SIGNATURE)).status_code == 413
    assert len(script.asked("HandleStripeWebhook")) == 1
