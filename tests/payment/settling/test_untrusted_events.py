"""Signed events and answers of Stripe that hold what they should not: ignored or parked with a reason, never a crash."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
import stripe
from structlog.testing import capture_logs

from payment_svc.domain import PaymentStatus, Received
from payment_svc.selling.transitions import skip_payment
from payment_svc.settling import webhooks
from payment_svc.settling.verdicts import REFUNDS
from payment_svc.store.events import Apply
from tests.payment.faults import sold
from tests.people import People, lesson_time, wait_until
from tests.world import WEBHOOK_SECRET, World
from tutormesh.payment.v1 import saga_pb2
from tutormesh.payment.v1.payment_pb2 import BookSessionResponse

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log of the mesh. Nothing in it may tell of a crash."""
    with capture_logs() as told:
        yield told
    crashed = [line for line in told if str(line["event"]).endswith("_crashed")]
    assert crashed == []


@pytest_asyncio.fixture(loop_scope="session")
async def booked(people: People) -> AsyncIterator[BookSessionResponse]:
    """A booking that awaits its payment; no webhook of Stripe's own arrives."""
    await people.webhooks("drop")
    yield await people.book(await people.tutor(), lesson_time())


async def stored(people: People, event_id: str) -> list[tuple[str, str | None]]:
    """The status and the error of an event's row."""
    rows = await people.world.sql("payment", "select status, error from stripe_event where id = $1", event_id)
    return [(row["status"], row["error"]) for row in rows]


async def signals(people: People, saga_id: str) -> int:
    (row,) = await people.world.sql("payment", "select news from saga where id = $1", UUID(saga_id))
    return int(row["news"])


def spoiled(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The event with other fields in its object; a field that is `...` is left out."""
    item = {name: value for name, value in {**event["data"]["object"], **changes}.items() if value is not ...}
    return {**event, "id": f"evt_{uuid4().hex}", "data": {"object": item}}


UNREADABLE: dict[str, dict[str, Any]] = {
    "no amount_received": {"amount_received": ...},
    "null": {"amount_received": None},
    "nothing received": {"amount_received": 0},
    "negative": {"amount_received": -1},
    "beyond bigint": {"amount_received": 2**63},
    "text": {"amount_received": "5000"},
    "a fraction": {"amount_received": 5000.5},
    "a boolean": {"amount_received": True},
    "a list": {"amount_received": [5000]},
    "no amount": {"amount": ...},
    "no currency": {"currency": ...},
    "a currency of another world": {"currency": "xxb"},
    "a currency with NUL": {"currency": "us\0"},
    "no status": {"status": ...},
    "a status of another type": {"status": 7},
    "metadata of another type": {"metadata": [1]},
    "a secret with NUL": {"client_secret": "a\0b"},
    "a charge with a surrogate": {"last_payment_error": {"charge": "\ud800"}},
}


@pytest.mark.parametrize("changes", UNREADABLE.values(), ids=UNREADABLE)
async def test_55_an_event_that_breaks_our_schema_is_parked_and_the_saga_asks_stripe(
    people: People, booked: BookSessionResponse, lines: Lines, changes: dict[str, Any]
) -> None:
    await people.pay(booked.payment_intent_id)
    event = spoiled(await people.event(booked.payment_intent_id, "payment_intent.succeeded"), **changes)
    assert await people.send_event(event) == 200
    await people.until_state(booked.saga_id, "COMPLETED")  # what Stripe says when asked is whole
    ((status, error),) = await stored(people, event["id"])
    assert status == "PARKED" and error and error.startswith("the payment_intent's ")
    assert [line["alert"] for line in lines if line["event"] == "event_parked"] == [True]
    assert (await people.payment(booked.payment_id)).received_minor == 5000
    assert await people.send_event(event) == 200  # Stripe's repeat changes nothing
    assert await stored(people, event["id"]) == [(status, error)]


async def test_55_a_spoiled_success_of_an_unpaid_intent_is_not_believed(
    people: People, booked: BookSessionResponse, lines: Lines
) -> None:
    await people.pay(booked.payment_intent_id, "pm_card_chargeDeclined")
    declined = await people.event(booked.payment_intent_id, "payment_intent.payment_failed")
    event = spoiled(declined, status="succeeded", amount_received=...) | {"type": "payment_intent.succeeded"}
    assert await people.send_event(event) == 200
    await wait_until(lambda: signals(people, booked.saga_id), lambda count: count == 1)
    await people.at_rest()
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    await people.cancel_intent(booked.payment_intent_id)
    await people.send_event(await people.event(booked.payment_intent_id, "payment_intent.canceled"))
    await people.until_state(booked.saga_id, "CANCELLED")


async def test_55_a_spoiled_event_of_an_ended_saga_waits_for_a_person_who_has_it_looked_at(
    people: People, booked: BookSessionResponse, lines: Lines
) -> None:
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "EXPIRED")
    stray = await people.stray_of(booked.saga_id)
    await people.pay(stray["id"])
    event = spoiled(await people.event(stray["id"], "payment_intent.succeeded"), amount_received=...)
    assert await people.send_event(event) == 200
    assert (await stored(people, event["id"]))[0][0] == "PARKED"
    assert await people.state(booked.saga_id) == "EXPIRED"
    await people.retry(booked.saga_id)
    await wait_until(lambda: stored(people, event["id"]), lambda rows: rows == [("DONE", None)])
    assert [refund["amount"] for refund in await people.refunds_of(stray["id"])] == [5000]


@pytest.mark.parametrize("kind", ["charge.refunded", "refund.updated", "charge.dispute.created"])
async def test_55_events_of_refunds_and_disputes_are_no_more_believed(
    people: People, booked: BookSessionResponse, lines: Lines, kind: str
) -> None:
    await people.pay(booked.payment_intent_id)
    await people.send_event(await people.event(booked.payment_intent_id, "payment_intent.succeeded"))
    await people.until_state(booked.saga_id, "COMPLETED")
    item = {"object": kind.split(".")[0], "id": "x_1", "payment_intent": booked.payment_intent_id, "status": {"a": 7}}
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": kind, "livemode": False, "data": {"object": item}}
    assert await people.send_event(event) == 200
    assert await stored(people, event["id"]) == [("PARKED", f"the {item['object']}'s status is no word")]


DEEP = "[" * 20_000 + "]" * 20_000
IGNORED = {
    "a v2 event": (
        json.dumps(
            {
                "id": "evt_test_65",
                "object": "v2.core.event",
                "type": "v2.money_management.outbound_payment.posted",
                "livemode": False,
                "related_object": {"id": "obp_1", "type": "v2.money_management.outbound_payment", "url": "/v2/x"},
            }
        ),
        "not_a_snapshot",
    ),
    "a thin v1 event": (
        json.dumps({"id": "evt_1", "object": "v2.core.event", "type": "v1.payment_intent.succeeded"}),
        "not_a_snapshot",
    ),
    "20,000 brackets": (DEEP, "unreadable"),
    "20,000 brackets in an event": (
        '{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": ' + DEEP + "}}",
        "unreadable",
    ),
    "20,000 objects": ('{"data":' * 20_000 + "7" + "}" * 20_000, "unreadable"),
    "an endless number": ('{"id": ' + "9" * 5000 + "}", "unreadable"),
    "no JSON": ("not json", "unreadable"),
    "an empty body": ("", "unreadable"),
    "a list": ("[]", "unreadable"),
    "no fields": ("{}", "unreadable"),
    "an intent without an event": ('{"data": {"object": {"payment_intent": "pi"}}}', "unreadable"),
    "an id with NUL": (json.dumps({"id": "evt\0", "type": "payment_intent.succeeded", "data": {}}), "unreadable"),
    "an id of a page": (json.dumps({"id": "e" * 4000, "type": "payment_intent.succeeded", "data": {}}), "unreadable"),
    "an object of another type": (
        json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": 7}}),
        "not_a_snapshot",
    ),
    "an intent of another type": (
        json.dumps({"id": "evt_1", "type": "charge.refunded", "data": {"object": {"payment_intent": 7}}}),
        "unreadable",
    ),
}


@pytest.mark.parametrize(("body", "reason"), IGNORED.values(), ids=IGNORED)
async def test_55_a_signed_body_that_tells_nothing_is_200_and_one_line_says_why(
    people: People, lines: Lines, body: str, reason: str
) -> None:
    before = await people.world.sql("payment", "select count(*) from stripe_event")
    signature = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    assert await people.post_webhook(body, signature) == 200
    assert [line["reason"] for line in lines if line["event"] == "event_ignored"] == [reason]
    assert await people.world.sql("payment", "select count(*) from stripe_event") == before


@pytest.mark.parametrize("signature", ["t=1,v1=é", "t=é,v1=00", f"t={'9' * 5000},v1=00", "t=1,v1", "=,=,="])
async def test_55_a_signature_of_any_form_is_400(people: People, lines: Lines, signature: str) -> None:
    url = f"{people.world.bff_url}/webhooks/stripe"
    answer = await people.http.post(url, content=b"{}", headers={"Stripe-Signature": signature.encode()})
    assert answer.status_code == 400


async def test_55_an_event_whose_judgement_crashes_is_parked_with_the_reason_and_not_sent_again(
    people: People, booked: BookSessionResponse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")

    def crash(*_: Any) -> None:
        raise ZeroDivisionError("by\0zero")

    monkeypatch.setattr(webhooks, "judge", crash)
    assert await people.send_event(event) == 200
    assert await stored(people, event["id"]) == [("PARKED", "ZeroDivisionError: by zero")]
    assert capsys.readouterr().out.count("event_crashed") == 1
    monkeypatch.undo()
    await people.until_state(booked.saga_id, "COMPLETED")  # it looked at the intent


SUCCEEDED, PENDING = PaymentStatus.SUCCEEDED, PaymentStatus.PENDING
UNSTORABLE: dict[str, tuple[PaymentStatus, int, str]] = {
    "a violated constraint": (SUCCEEDED, 0, "payment_received_when_succeeded"),
    "a negative amount": (PENDING, -1, "payment_amounts"),
    "more than a number can be": (SUCCEEDED, 2**63, "out of int64 range"),
}


@pytest.mark.parametrize(("status", "received", "why"), UNSTORABLE.values(), ids=UNSTORABLE)
async def test_55_an_event_that_the_schema_refuses_is_parked_without_the_values(
    people: People,
    booked: BookSessionResponse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: PaymentStatus,
    received: int,
    why: str,
) -> None:
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")

    def judge(_: Any, saga: Any, __: int) -> Apply:
        transition = skip_payment(saga)
        return Apply(replace(transition, payment=status, received=Received(received, "USD"), takes_over=True))

    monkeypatch.setattr(webhooks, "judge", judge)
    assert await people.send_event(event) == 200
    monkeypatch.undo()
    await people.until_state(booked.saga_id, "COMPLETED")
    ((stands, error),) = await stored(people, event["id"])
    assert stands == "PARKED" and error and why in error
    for text in (error, capsys.readouterr().out):
        assert "Failing row" not in text and booked.client_secret not in text
    assert "[SQL:" not in error


class Crash:
    """A hook: what nobody expects, so many times, at a point."""

    def __init__(self, point: str, times: int = 1) -> None:
        self.point, self.times = point, times

    async def __call__(self, point: str) -> None:
        if point == self.point and self.times > 0:
            self.times -= 1
            raise RuntimeError("nobody expects this")


@pytest.mark.usefixtures("no_replica")
@pytest.mark.parametrize("point", ["before receive", "after receive"])
async def test_55_an_error_that_the_event_did_not_cause_is_503_and_the_repeat_is_judged(
    people: People, world: World, point: str
) -> None:
    await people.webhooks("drop")
    crash = Crash(point, times=0)
    await world.start_replica(crash)
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    await people.at_rest()
    crash.times = 1
    assert await people.send_event(event) == 503
    assert [status for status, _ in await stored(people, event["id"])] in ([], ["DONE"])
    assert await people.send_event(event) == 200
    await people.until_state(booked.saga_id, "COMPLETED")
    assert await stored(people, event["id"]) == [("DONE", None)]


@pytest.mark.usefixtures("no_replica")
async def test_55_an_event_that_reconcile_cannot_take_keeps_no_other_from_its_turn(
    people: People, world: World
) -> None:
    await people.webhooks("normal")
    crash = Crash("before receive", times=0)
    await world.start_replica(crash)
    first, second = await sold(people), await sold(people)
    await people.webhooks("drop")
    for booked in (first, second):
        await people.refund_by_hand(booked.intent, 2000)
    ids = [event["id"] for kind in REFUNDS for event in people._events(first.intent, kind)]
    crash.times = len(ids)  # the first round's first events
    await people.reconcile()
    assert crash.times == 0
    await people.reconcile()
    await people.at_rest()
    for booked in (first, second):
        assert [row["amount_minor"] for row in await people.our_refunds_of(booked.intent)] == [2000]


async def test_55_the_schema_keeps_no_parked_event_without_a_reason(world: World, booked: BookSessionResponse) -> None:
    with pytest.raises(Exception, match="stripe_event_parked_with_a_reason"):
        await world.sql(
            "payment",
            """insert into stripe_event (id, type, saga_id, payment_intent_id, status)
               values ('evt_without', 'x', $1, 'pi_x', 'PARKED')""",
            UUID(booked.saga_id),
        )


# The same of objects that we ask for.


class Spoiled:
    """Within, Stripe's own copy of an object lacks a field, or has another value in it."""

    def __init__(self, people: People, kind: str, identifier: str, path: str, value: str | None) -> None:
        self.provider, self.about, self.path, self.value = people.world.provider, (kind, identifier), path, value

    def __enter__(self) -> None:
        (self.before,) = self.provider.select("kind = ? and id = ?", self.about)
        change = f"json_set(body, '{self.path}', {self.value})" if self.value else f"json_remove(body, '{self.path}')"
        self._execute(f"update object set body = {change}", ())

    def __exit__(self, *_: object) -> None:
        self._execute("update object set body = ?", (json.dumps(self.before),))

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        self.provider.execute(f"{statement} where kind = ? and id = ?", (*values, *self.about))


@pytest.mark.parametrize("value", [None, "-1", "'5000'", "9223372036854775808", "json('[]')"])
async def test_55_an_unreadable_intent_lets_its_saga_back_off_until_stripe_makes_sense_again(
    people: People, booked: BookSessionResponse, lines: Lines, value: str | None
) -> None:
    await people.pay(booked.payment_intent_id)
    event = spoiled(await people.event(booked.payment_intent_id, "payment_intent.succeeded"), status=7)
    with Spoiled(people, "payment_intent", booked.payment_intent_id, "$.amount_received", value):
        assert await people.send_event(event) == 200
        await people.until_backing_off(booked.saga_id)
        saga = await people.saga(booked.saga_id)
        assert (saga.state, "amount_received" in saga.error) == ("AWAITING_PAYMENT", True)
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_55_an_inbox_event_about_an_unreadable_refund_is_parked_after_eight_looks(
    people: People, booked: BookSessionResponse, lines: Lines
) -> None:
    await people.pay(booked.payment_intent_id)
    await people.send_event(await people.event(booked.payment_intent_id, "payment_intent.succeeded"))
    await people.until_state(booked.saga_id, "COMPLETED")
    await people.refund_by_hand(booked.payment_intent_id, 2000)
    (refund,) = await people.refunds_of(booked.payment_intent_id)
    with Spoiled(people, "refund", refund["id"], "$.amount", "'2000'"):
        await people.send_event(await people.event(booked.payment_intent_id, "charge.refunded"))

        async def hurried() -> list[Any]:
            await people.hurry_the_inbox(booked.saga_id)
            return await people.inbox_of(booked.saga_id)

        await wait_until(hurried, lambda rows: [row["status"] for row in rows] == ["PARKED"])
    parked = [line for line in lines if line["event"] == "event_parked"]
    assert [(line["alert"], line["error"]) for line in parked] == [
        (True, "Unreadable: the refund's amount is no whole number")
    ]
    await people.retry(booked.saga_id)
    await wait_until(lambda: people.inbox_of(booked.saga_id), lambda rows: rows[0]["status"] == "DONE")
    assert [row["amount_minor"] for row in await people.our_refunds_of(booked.payment_intent_id)] == [2000]
