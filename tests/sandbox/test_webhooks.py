"""Webhooks: signed, retried, and delivered in every mode."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import aiohttp
import pytest
import stripe
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


async def wait_for_attempts(sandbox, count: int) -> dict:
    """Wait until `count` attempts were made, and return the state."""
    deadline = time.monotonic() + 8
    while len((state := await sandbox.state())["deliveries"]) < count:
        assert time.monotonic() < deadline, state["deliveries"]
        await asyncio.sleep(0.02)
    return state


async def test_events_arrive_signed_as_stripe_signs(sandbox, receiver, pay, eventually):
    intent = await pay()
    await eventually(lambda: len(receiver.received) == 3)
    events = receiver.events()  # each verified by the official library
    assert sorted(event.type for event in events) == sorted(PAID)
    paid = next(event for event in events if event.type == "payment_intent.succeeded")
    assert (paid.data.object.id, paid.data.object.amount_received) == (intent.id, 5000)
    assert (paid.pending_webhooks, paid.livemode) == (1, False)
    payload, signature = receiver.received[0]
    assert stripe.WebhookSignature.verify_header(payload.decode(), signature, "whsec_test", 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(payload + b" ", signature, "whsec_test")


async def test_every_delivery_is_recorded(sandbox, pay, eventually):
    await pay()
    state = await wait_for_attempts(sandbox, 3)
    assert {delivery["event"] for delivery in state["deliveries"]} == {event["id"] for event in state["events"]}
    assert {delivery["status"] for delivery in state["deliveries"]} == {200}
    assert abs(state["deliveries"][0]["at"] - time.time()) < 60
    assert {event["pending_webhooks"] for event in state["events"]} == {0}
    assert [event["type"] for event in state["events"]] == PAID


async def test_a_refused_event_is_sent_again_and_delays_no_other(sandbox, receiver, pay, eventually):
    receiver.refused_type = "charge.succeeded"
    await pay()
    await eventually(lambda: len(receiver.received) >= 4)
    assert set(receiver.types()) == set(PAID)
    assert receiver.types().count("charge.succeeded") >= 2
    receiver.refused_type = ""
    state = await wait_for_attempts(sandbox, 5)
    charge = next(event["id"] for event in state["events"] if event["type"] == "charge.succeeded")
    attempts = [delivery for delivery in state["deliveries"] if delivery["event"] == charge]
    assert [attempt["status"] for attempt in attempts] == [500, 500, 200]
    assert attempts[1]["at"] - attempts[0]["at"] >= 0.5
    assert attempts[2]["at"] - attempts[1]["at"] >= 1.0


async def test_a_paused_queue_is_sent_when_it_is_resumed(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", mode="paused", delay_ms=60_000)
    intent = await pay()
    state = await sandbox.state()
    assert state["webhooks"] == {"mode": "paused", "delay_ms": 60_000, "queued": 3}
    assert receiver.received == []
    await sandbox.control("webhooks", mode="normal")
    await eventually(lambda: len(receiver.received) == 3)
    assert intent.id in {event.data.object.id for event in receiver.events()}


async def test_the_mode_duplicate_sends_every_event_twice(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", mode="duplicate")
    await pay()
    await eventually(lambda: len(receiver.received) == 6)
    assert sorted(receiver.types()) == sorted(PAID * 2)
    assert len({event.id for event in receiver.events()}) == 3
    state = await wait_for_attempts(sandbox, 6)
    assert {event["pending_webhooks"] for event in state["events"]} == {0}


async def test_the_mode_reverse_collects_events_and_sends_the_last_first(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", mode="reverse")
    began = time.time()
    await pay()
    await eventually(lambda: len(receiver.received) == 3)
    assert time.time() - began >= 0.9
    assert receiver.types() == PAID[::-1]


@pytest.mark.parametrize(("mode", "expected"), [("reverse", PAID[::-1]), ("duplicate", sorted(PAID * 2))])
async def test_a_paused_queue_is_sent_in_the_mode_that_follows(sandbox, receiver, pay, eventually, mode, expected):
    await sandbox.control("webhooks", mode="paused")
    await pay()
    await sandbox.control("webhooks", mode=mode)
    await eventually(lambda: len(receiver.received) == len(expected))
    assert (receiver.types() if mode == "reverse" else sorted(receiver.types())) == expected


async def test_a_dropped_event_is_sent_only_on_request(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", mode="paused")
    await pay()
    await sandbox.control("webhooks", mode="drop")
    await pay()
    assert (await sandbox.state())["webhooks"]["queued"] == 0
    dropped = (await sandbox.state())["events"][0]
    await sandbox.control("webhooks/redeliver", event=dropped["id"])
    await eventually(lambda: receiver.received)
    assert [event.id for event in receiver.events()] == [dropped["id"]]
    await sandbox.control("webhooks", mode="normal")
    await pay()
    await eventually(lambda: len(receiver.received) == 4)


async def test_a_single_event_of_a_paused_queue_can_be_sent(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", mode="paused")
    await pay()
    last = (await sandbox.state())["events"][-1]["id"]
    await sandbox.control("webhooks/redeliver", event=last)
    await eventually(lambda: receiver.received)
    assert [event.id for event in receiver.events()] == [last]


async def test_a_delay_postpones_events(sandbox, receiver, pay, eventually):
    await sandbox.control("webhooks", delay_ms=300)
    began = time.time()
    await pay()
    await eventually(lambda: len(receiver.received) == 3)
    assert time.time() - began >= 0.3


async def test_clearing_the_state_forgets_what_was_owed(sandbox, receiver, pay, eventually):
    receiver.refused_type = "payment_intent"
    await pay()
    await eventually(lambda: len(receiver.received) >= 3)
    await sandbox.control("state", "DELETE")
    receiver.refused_type, receiver.received = "", []
    await pay()
    await eventually(lambda: len(receiver.received) == 3)
    state = await wait_for_attempts(sandbox, 3)
    assert {delivery["event"] for delivery in state["deliveries"]} == {event["id"] for event in state["events"]}
    assert state["webhooks"] == {"mode": "normal", "delay_ms": 0, "queued": 0}


async def test_an_answer_after_the_state_was_cleared_is_ignored(sandbox, serve, make_app, tmp_path, eventually):
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def hang(request) -> Response:
        asked.set()
        await answer_now.wait()
        return Response()

    form = {"amount": "5000", "currency": "usd"}
    hook = Starlette(routes=[Route("/hook", hang, methods=["POST"])])
    async with serve(hook) as receiving, serve(make_app(tmp_path, f"{receiving}/hook")) as url:
        other = type(sandbox)(url, sandbox.http)
        await other.call("POST", "/v1/payment_intents", data=form)
        await asked.wait()
        await other.control("state", "DELETE")
        answer_now.set()
        await other.call("POST", "/v1/payment_intents", data=form)
        state = await wait_for_attempts(other, 1)
        assert [delivery["event"] for delivery in state["deliveries"]] == [event["id"] for event in state["events"]]


async def test_owed_deliveries_survive_a_restart_and_an_unreachable_receiver(
    sandbox, receiver, serve, make_app, tmp_path, eventually
):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/hook"
    form = {"amount": "5000", "currency": "usd"}
    async with serve(make_app(tmp_path, nowhere)) as url:
        first = type(sandbox)(url, sandbox.http)
        intent = (await first.call("POST", "/v1/payment_intents", data=form, headers={"Idempotency-Key": "k"})).json()
        state = await wait_for_attempts(first, 1)
        assert (state["deliveries"][0]["status"], state["events"][0]["pending_webhooks"]) == (0, 1)
    async with serve(make_app(tmp_path, receiver.url)) as url:
        await eventually(lambda: receiver.received)
        second = type(sandbox)(url, sandbox.http)
        again = await second.call("POST", "/v1/payment_intents", data=form, headers={"Idempotency-Key": "k"})
        assert (again.json(), again.headers["idempotent-replayed"]) == (intent, "true")
    assert [event.data.object.id for event in receiver.events()] == [intent["id"]]


async def test_without_a_url_nothing_is_owed(sandbox, serve, make_app, tmp_path):
    async with serve(make_app(tmp_path)) as url:
        quiet = type(sandbox)(url, sandbox.http)
        await quiet.call("POST", "/v1/payment_intents", data={"amount": "5000", "currency": "usd"})
        state = await quiet.state()
        assert (state["webhooks"]["queued"], state["events"][0]["pending_webhooks"]) == (0, 0)
        refused = await sandbox.http.post(
            f"{url}/_sandbox/webhooks/redeliver", json={"event": state["events"][0]["id"]}
        )
        assert refused.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("webhooks", {"mode": "sideways"}, 400),
        ("webhooks", {"mode": ["normal"]}, 400),
        ("webhooks", {"delay_ms": -1}, 400),
        ("webhooks/redeliver", {}, 400),
        ("webhooks/redeliver", {"event": "evt_none"}, 404),
    ],
)
async def test_a_bad_webhook_setting_is_refused(sandbox, path, body, status):
    answer = await sandbox.http.post(f"{sandbox.url}/_sandbox/{path}", content=json.dumps(body))
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_an_endpoint_gets_the_events_that_it_asked_for(tmp_path, serve, make_app, receiver, eventually):
    receiver.received, receiver.statuses, receiver.refused_type = [], [], ""
    app = make_app(tmp_path, receiver.url, webhook_events=frozenset({"payment_intent.succeeded"}))
    async with serve(app) as url:
        http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(5))
        client = stripe.StripeClient("sk_test_sandbox", base_addresses={"api": url}, http_client=http)
        params = {"amount": 5000, "currency": "usd", "payment_method_types": ["card"]}
        for _ in range(2):
            made = await client.v1.payment_intents.create_async(params=params)
            await client.v1.payment_intents.confirm_async(made.id, params={"payment_method": "pm_card_visa"})
        await eventually(lambda: len(receiver.received) == 2)
        assert receiver.types() == ["payment_intent.succeeded"] * 2
        events = (await client.v1.events.list_async()).data
        await http.close_async()
    assert sorted(
        {(event.type, event.pending_webhooks) for event in events if event.type != "payment_intent.succeeded"}
    ) == [
        ("charge.succeeded", 0),
        ("payment_intent.created", 0),
    ]
