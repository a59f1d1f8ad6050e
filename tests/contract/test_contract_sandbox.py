"""docs/api.md, "The Stripe sandbox": each path, key, card, fault and webhook mode, on the sandbox of a running mesh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.contract.client import MeshClient, lesson_time, wait_until

FORM = {"amount": 5000, "currency": "usd", "payment_method_types[]": "card"}
INTENTS = "/v1/payment_intents"


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(mesh: MeshClient) -> AsyncIterator[MeshClient]:
    """The mesh's sandbox. Afterwards its faults are cleared and its webhooks are normal again."""
    yield mesh
    await mesh.sandbox("DELETE", "/faults")
    await mesh.sandbox("POST", "/webhooks", {"mode": "normal", "delay_ms": 0})


async def create_intent(mesh: MeshClient, **more: Any) -> dict[str, Any]:
    return dict((await mesh.stripe("POST", INTENTS, FORM | more)).raise_for_status().json())


async def confirm_new(mesh: MeshClient, card: str = "pm_card_visa", **more: Any) -> httpx.Response:
    intent = await create_intent(mesh, **more)
    return await mesh.stripe("POST", f"{INTENTS}/{intent['id']}/confirm", {"payment_method": card})


async def test_an_intent_is_created_retrieved_updated_confirmed_listed_and_found(sandbox: MeshClient) -> None:
    mark = str(uuid4())
    intent = await create_intent(sandbox, **{"metadata[mark]": mark})
    path = f"{INTENTS}/{intent['id']}"
    assert (await sandbox.stripe("GET", path)).json() == intent
    assert (await sandbox.stripe("POST", path, {"description": "fractions"})).json()["description"] == "fractions"
    paid = (await sandbox.stripe("POST", f"{path}/confirm", {"payment_method": "pm_card_visa"})).json()
    assert (paid["status"], paid["amount_received"]) == ("succeeded", 5000)
    listed = (await sandbox.stripe("GET", INTENTS, {"limit": 1})).json()["data"]
    assert [one["id"] for one in listed] == [intent["id"]]  # newest first
    found = (await sandbox.stripe("GET", f"{INTENTS}/search", {"query": f"metadata['mark']:'{mark}'"})).json()["data"]
    assert [one["id"] for one in found] == [intent["id"]]
    charges = (await sandbox.stripe("GET", "/v1/charges", {"payment_intent": intent["id"]})).json()["data"]
    assert [charge["status"] for charge in charges] == ["succeeded"]
    events = (await sandbox.stripe("GET", "/v1/events", {"limit": 5})).json()["data"]
    assert "payment_intent.succeeded" in {event["type"] for event in events}


async def test_an_intent_is_cancelled_and_refunds_of_cards_succeed_at_once(sandbox: MeshClient) -> None:
    intent = await create_intent(sandbox)
    assert (await sandbox.stripe("POST", f"{INTENTS}/{intent['id']}/cancel")).json()["status"] == "canceled"
    paid = (await confirm_new(sandbox)).json()
    refund = (await sandbox.stripe("POST", "/v1/refunds", {"payment_intent": paid["id"], "amount": 700})).json()
    assert (refund["status"], refund["amount"], refund["id"][:3]) == ("succeeded", 700, "re_")


async def test_other_keys_are_refused_and_the_publishable_key_needs_the_client_secret(sandbox: MeshClient) -> None:
    intent = await create_intent(sandbox)
    path, card = f"{INTENTS}/{intent['id']}/confirm", {"payment_method": "pm_card_visa"}
    assert (await sandbox.stripe("POST", path, card, key="sk_test_other")).status_code == 401
    assert (await sandbox.stripe("POST", path, card, key="pk_test_sandbox")).status_code in (400, 401, 403, 404)
    secret = {"client_secret": intent["client_secret"]}
    assert (await sandbox.stripe("POST", path, card | secret, key="pk_test_sandbox")).json()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("card", "code"),
    [("pm_card_chargeDeclined", "generic_decline"), ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds")],
)
async def test_a_card_is_declined_in_stripes_format(sandbox: MeshClient, card: str, code: str) -> None:
    answer = await confirm_new(sandbox, card)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (402, "card_error", "card_declined")
    assert error["decline_code"] == code


async def test_an_idempotency_key_replays_its_first_answer_and_refuses_other_parameters(sandbox: MeshClient) -> None:
    key = str(uuid4())
    first = await sandbox.stripe("POST", INTENTS, FORM, Idempotency_Key=key)
    again = await sandbox.stripe("POST", INTENTS, FORM, Idempotency_Key=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = await sandbox.stripe("POST", INTENTS, FORM | {"amount": 1}, Idempotency_Key=key)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")


@pytest.mark.parametrize(("fault", "executed", "again"), [("error_before", 0, 200), ("error_after", 1, 500)])
async def test_an_error_before_stores_nothing_and_an_error_after_is_kept(
    sandbox: MeshClient, fault: str, executed: int, again: int
) -> None:
    mark, key = str(uuid4()), str(uuid4())
    form = FORM | {"metadata[mark]": mark}
    await sandbox.sandbox("POST", "/faults", {"method": "POST", "path": INTENTS, "fault": fault, "times": 1})
    assert (await sandbox.stripe("POST", INTENTS, form, Idempotency_Key=key)).status_code == 500
    state = (await sandbox.sandbox("GET", "/state")).json()
    assert len([one for one in state["payment_intents"] if one["metadata"].get("mark") == mark]) == executed
    assert (await sandbox.stripe("POST", INTENTS, form, Idempotency_Key=key)).status_code == again


async def test_a_timeout_after_executes_and_does_not_answer(sandbox: MeshClient) -> None:
    mark = str(uuid4())
    await sandbox.sandbox("POST", "/faults", {"method": "POST", "path": INTENTS, "fault": "timeout_after", "times": 1})
    call = asyncio.create_task(sandbox.stripe("POST", INTENTS, FORM | {"metadata[mark]": mark}))

    async def marks() -> list[str]:
        state = (await sandbox.sandbox("GET", "/state")).json()
        return [one["metadata"].get("mark") for one in state["payment_intents"]]

    await wait_until(marks, lambda found: mark in found)
    assert not call.done()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


@pytest.mark.parametrize(("fault", "status"), [("refund_pending", "pending"), ("refund_failed", "failed")])
async def test_a_refund_can_be_made_pending_or_failed(sandbox: MeshClient, fault: str, status: str) -> None:
    paid = (await confirm_new(sandbox)).json()
    await sandbox.sandbox("POST", "/faults", {"method": "POST", "path": "/v1/refunds", "fault": fault, "times": 1})
    refund = (await sandbox.stripe("POST", "/v1/refunds", {"payment_intent": paid["id"]})).json()
    assert refund["status"] == status


async def test_a_rate_limit_is_429_and_the_path_must_match_exactly(sandbox: MeshClient) -> None:
    await sandbox.sandbox("POST", "/faults", {"method": "POST", "path": INTENTS, "fault": "rate_limit", "times": 1})
    assert (await sandbox.stripe("POST", "/v1/refunds", {"payment_intent": "pi_none"})).status_code == 400
    limited = await sandbox.stripe("POST", INTENTS, FORM)
    assert (limited.status_code, "error" in limited.json()) == (429, True)
    assert (await sandbox.stripe("POST", INTENTS, FORM)).status_code == 200


async def fetch_deliveries(mesh: MeshClient, intent: str) -> list[int]:
    """The answers to the deliveries of an intent's events."""
    state = (await mesh.sandbox("GET", "/state")).json()
    about = {event["id"] for event in state["events"] if intent in str(event["data"]["object"])}
    assert {"payment_intents", "charges", "refunds", "events", "deliveries"} <= set(state)
    return [one["status"] for one in state["deliveries"] if one["event"] in about and one["at"]]


async def test_webhooks_can_be_paused_and_are_delivered_afterwards(sandbox: MeshClient) -> None:
    await sandbox.sandbox("POST", "/webhooks", {"mode": "paused"})
    student, tutor = sandbox.person("student"), await sandbox.tutor()
    paid = await student.book(tutor, lesson_time())
    await sandbox.pay(paid)
    assert await fetch_deliveries(sandbox, paid["paymentIntentId"]) == []
    await sandbox.sandbox("POST", "/webhooks", {"mode": "normal"})
    await student.wait_until_status(paid["booking"]["id"], "CONFIRMED")


@pytest.mark.parametrize("mode", ["duplicate", "reverse"])
async def test_events_that_come_twice_or_in_reverse_sell_one_lesson(sandbox: MeshClient, mode: str) -> None:
    await sandbox.sandbox("POST", "/webhooks", {"mode": mode})
    booking = await sandbox.sell(sandbox.person("student"), await sandbox.tutor(), lesson_time())
    assert booking["payment"]["status"] == "SUCCEEDED"


async def test_a_dropped_event_can_be_delivered_by_its_id(sandbox: MeshClient) -> None:
    await sandbox.sandbox("POST", "/webhooks", {"mode": "drop"})
    student, tutor = sandbox.person("student"), await sandbox.tutor()
    paid = await student.book(tutor, lesson_time())
    await sandbox.pay(paid)
    events = (await sandbox.stripe("GET", "/v1/events", {"type": "payment_intent.succeeded", "limit": 1})).json()
    (event,) = events["data"]
    assert (event["data"]["object"]["id"], await fetch_deliveries(sandbox, paid["paymentIntentId"])) == (
        paid["paymentIntentId"],
        [],
    )
    await sandbox.sandbox("POST", "/webhooks", {"mode": "normal"})
    await sandbox.sandbox("POST", "/webhooks/redeliver", {"event": event["id"]})
    await student.wait_until_status(paid["booking"]["id"], "CONFIRMED")
