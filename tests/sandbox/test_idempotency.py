"""Idempotency keys and queued faults."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
import stripe

INTENTS = "/v1/payment_intents"
CARD = {"amount": "5000", "currency": "usd", "payment_method_types[]": "card"}


async def create(sandbox, key: str, form=CARD, path: str = INTENTS):
    return await sandbox.call("POST", path, data=form, headers={"Idempotency-Key": key})


async def test_a_repeated_key_gives_the_first_answer_again(sandbox, client):
    params = {"amount": 5000, "currency": "usd", "metadata": {"a": "1"}}
    first, again = [
        await client.v1.payment_intents.create_async(params=params, options={"idempotency_key": "k1"}) for _ in range(2)
    ]
    assert again.to_dict() == first.to_dict()
    assert "idempotent-replayed" not in first.last_response.headers
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.request_id
    assert again.last_response.request_id != first.last_response.request_id
    state = await sandbox.state()
    assert len(state["payment_intents"]) == 1
    assert state["events"][0]["request"] == {"id": first.last_response.request_id, "idempotency_key": "k1"}


async def test_many_calls_at_once_with_one_key_make_one_intent(sandbox):
    answers = await asyncio.gather(*(create(sandbox, "k1") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await sandbox.state())["payment_intents"]) == 1


async def test_many_confirmations_at_once_charge_once(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params={"amount": 5000, "currency": "usd"})
    form = {"payment_method": "pm_card_visa"}
    answers = await asyncio.gather(
        *(sandbox.call("POST", f"{INTENTS}/{intent.id}/confirm", data=form) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert len((await sandbox.state())["charges"]) == 1


async def test_a_key_with_other_parameters_or_another_path_is_refused(sandbox, client):
    first = (await create(sandbox, "k1")).json()
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        await client.v1.payment_intents.create_async(
            params={"amount": 6000, "currency": "usd"}, options={"idempotency_key": "k1"}
        )
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        await client.v1.payment_intents.cancel_async(first["id"], options={"idempotency_key": "k1"})
    too_long = await create(sandbox, "k" * 256)
    assert (too_long.status_code, too_long.json()["error"]["type"]) == (400, "idempotency_error")
    reordered = await create(sandbox, "k1", dict(reversed(CARD.items())))
    assert reordered.json()["id"] == first["id"]


async def test_a_refusal_before_the_operation_began_is_not_kept(sandbox):
    assert (await create(sandbox, "k1", {**CARD, "amount": "abc"})).status_code == 400
    await sandbox.fault("rate_limit")
    limited = await create(sandbox, "k1")
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "rate_limit")
    stranger = await sandbox.http.post(sandbox.url + INTENTS, data=CARD, headers={"Idempotency-Key": "k1"})
    assert stranger.status_code == 401
    made = await create(sandbox, "k1")
    assert made.status_code == 200
    assert "idempotent-replayed" not in made.headers


async def test_a_decline_and_a_wrong_state_are_kept(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params={"amount": 5000, "currency": "usd"})
    confirm = f"{INTENTS}/{intent.id}/confirm"
    first, again = [
        await create(sandbox, "k1", {"payment_method": "pm_card_chargeDeclined"}, confirm) for _ in range(2)
    ]
    assert (first.status_code, again.status_code, again.text) == (402, 402, first.text)
    assert len((await sandbox.state())["charges"]) == 1
    await sandbox.call("POST", f"{INTENTS}/{intent.id}/cancel")
    late, later = [await create(sandbox, "k2", {"payment_method": "pm_card_visa"}, confirm) for _ in range(2)]
    assert (late.status_code, later.text) == (400, late.text)
    assert later.headers["idempotent-replayed"] == "true"


async def test_a_forgotten_key_can_be_used_again(sandbox):
    first = (await create(sandbox, "k1")).json()
    assert await sandbox.control("forget_keys") == {"forgotten": 1}
    assert (await create(sandbox, "k1")).json()["id"] != first["id"]


async def test_a_key_is_forgotten_after_its_lifetime(sandbox, monkeypatch):
    first = (await create(sandbox, "k1")).json()
    monkeypatch.setattr("devkit.sandbox.idempotency.LIFETIME", 0)
    assert (await create(sandbox, "k1")).json()["id"] != first["id"]


async def test_a_key_has_no_effect_on_reading(sandbox):
    await create(sandbox, "k1")
    listed = await sandbox.call("GET", INTENTS, headers={"Idempotency-Key": "k1"})
    assert (listed.status_code, len(listed.json()["data"])) == (200, 1)


async def test_an_error_before_executes_and_stores_nothing(sandbox, client):
    await sandbox.fault("error_before", times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            await client.v1.payment_intents.create_async(
                params={"amount": 5000, "currency": "usd"}, options={"idempotency_key": "k1"}
            )
        assert (failed.value.http_status, failed.value.json_body["error"]["type"]) == (500, "api_error")
    assert (await sandbox.state())["payment_intents"] == []
    made = await client.v1.payment_intents.create_async(
        params={"amount": 5000, "currency": "usd"}, options={"idempotency_key": "k1"}
    )
    assert made.status == "requires_payment_method"


async def test_an_error_after_executes_and_is_kept_under_the_key(sandbox):
    await sandbox.fault("error_after")
    first, again = await create(sandbox, "k1"), await create(sandbox, "k1")
    assert (first.status_code, again.status_code) == (500, 500)
    assert again.headers["idempotent-replayed"] == "true"
    state = await sandbox.state()
    assert (len(state["payment_intents"]), [event["type"] for event in state["events"]]) == (
        1,
        ["payment_intent.created"],
    )
    assert (await create(sandbox, "k2")).status_code == 200


async def test_a_timeout_after_executes_and_the_key_gives_the_real_answer(sandbox):
    await sandbox.fault("timeout_after")
    http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(0.3))
    client = stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": sandbox.url}, http_client=http, max_network_retries=0
    )
    ask = {"params": {"amount": 5000, "currency": "usd"}, "options": {"idempotency_key": "k1"}}
    with pytest.raises(stripe.APIConnectionError):
        await client.v1.payment_intents.create_async(**ask)
    again = await client.v1.payment_intents.create_async(**ask)
    await http.close_async()
    state = await sandbox.state()
    assert [intent["id"] for intent in state["payment_intents"]] == [again.id]


async def test_a_timeout_ends_with_the_answer(sandbox, monkeypatch):
    monkeypatch.setattr("devkit.sandbox.http.endpoints.SILENCE", 0.05)
    await sandbox.fault("timeout_after")
    assert (await create(sandbox, "k1")).status_code == 200


async def test_a_key_in_use_is_refused_until_its_operation_ends(sandbox):
    await sandbox.fault("slow", delay_ms=60_000)
    await sandbox.control("faults", "DELETE")
    await sandbox.fault("slow", delay_ms=800)
    slow = asyncio.create_task(create(sandbox, "k1"))
    while (await sandbox.state())["faults"]:  # the fault is there until it hits the first call
        assert not slow.done()
    conflict = await create(sandbox, "k1")
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert conflict.headers["stripe-should-retry"] == "true"
    done = await slow
    assert (await create(sandbox, "k1")).json()["id"] == done.json()["id"]


async def test_a_slow_call_without_a_key_succeeds(sandbox):
    await sandbox.fault("slow", delay_ms=1)
    assert (await sandbox.call("POST", INTENTS, data=CARD)).status_code == 200


async def test_faults_queue_and_hit_only_their_own_path(sandbox, client, pay):
    await sandbox.fault("error_before")
    await sandbox.fault("rate_limit")
    await sandbox.control("faults", method="POST", fault="refund_pending")
    assert [fault["fault"] for fault in (await sandbox.state())["faults"]] == [
        "error_before",
        "rate_limit",
        "refund_pending",
    ]
    assert (await sandbox.call("GET", INTENTS)).status_code == 200
    statuses = [(await create(sandbox, f"k{n}")).status_code for n in range(3)]
    assert statuses == [500, 429, 200]
    intent = await pay()
    refunds = [
        await client.v1.refunds.create_async(params={"payment_intent": intent.id, "amount": 100}) for _ in range(2)
    ]
    assert [refund.status for refund in refunds] == ["pending", "succeeded"]
    listed = await sandbox.http.get(f"{sandbox.url}/_sandbox/faults")
    assert listed.json() == {"faults": []}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "fault"),
        ({"fault": "flood"}, "fault"),
        ({"fault": "error_before"}, "path"),
        ({"fault": "error_before", "path": "/elsewhere"}, "path"),
        ({"fault": "error_before", "path": INTENTS, "method": 7}, "method"),
        ({"fault": "error_before", "path": INTENTS, "times": 0}, "times"),
        ({"fault": "error_before", "path": INTENTS, "times": True}, "times"),
        ({"fault": "slow", "path": INTENTS, "delay_ms": "soon"}, "delay_ms"),
    ],
)
async def test_a_bad_parameter_of_a_fault_is_refused_by_name(sandbox, body, param):
    answer = await sandbox.http.post(f"{sandbox.url}/_sandbox/faults", content=json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert (await sandbox.state())["faults"] == []


async def test_a_refused_operation_uses_up_its_fault_and_keeps_nothing(sandbox):
    await sandbox.fault("error_after")
    assert (await create(sandbox, "k1", {})).status_code == 400
    assert (await create(sandbox, "k1")).status_code == 200
