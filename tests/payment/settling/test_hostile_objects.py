"""Objects of the provider that contradict themselves or ours: nothing is sold, refunded or told because of them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.payment.faults import cancel_of, put_to_sleep, sold
from tests.payment.settling.test_refused_refunds import NONE, SUCCEEDED, told
from tests.payment.settling.test_untrusted_events import Lines, Spoiled, lines, signals, spoiled
from tests.people import Booked, People, lesson_time, wait_until

__all__ = ["lines"]


pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize("status", ["processing", "requires_capture", "requires_payment_method"])
async def test_55_a_success_whose_intent_has_not_succeeded_is_not_believed(
    people: People, lines: Lines, status: str
) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent, "pm_card_chargeDeclined")
    declined = await people.event(booked.intent, "payment_intent.payment_failed")
    event = spoiled(declined, status=status, amount_received=5000) | {"type": "payment_intent.succeeded"}
    assert await people.send_event(event) == 200
    await wait_until(lambda: signals(people, booked.saga), lambda count: count == 1)
    await people.at_rest()
    assert await people.state(booked.saga) == "AWAITING_PAYMENT"
    assert await people.claims(booked.saga) == ["HELD", "HELD"]


async def test_55_an_undo_does_not_believe_it_either(people: People, lines: Lines) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent, "pm_card_chargeDeclined")
    declined = await people.event(booked.intent, "payment_intent.payment_failed")
    path = f"/v1/payment_intents/{booked.intent}"
    await people.fault(f"{path}/cancel", "error_before", times=1)
    await people.fault(path, "error_before", times=1, method="GET")
    await people.let_the_hold_end(booked.saga)
    await people.until_backing_off(booked.saga)
    event = spoiled(declined, status="processing", amount_received=5000) | {"type": "payment_intent.succeeded"}
    assert await people.send_event(event) == 200
    await people.until_state(booked.saga, "EXPIRED")


async def test_55_an_event_of_stripes_ends_no_payment_of_another_provider(people: People, lines: Lines) -> None:
    item = {"object": "payment_intent", "id": f"cb_{uuid4()}", "status": "succeeded", "amount_received": 5000}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "livemode": False, "data": {"object": item}}
    assert await people.send_event(event) == 200
    assert [line["reason"] for line in lines if line["event"] == "event_ignored"] == ["unreadable"]


async def test_55_an_intent_whose_metadata_names_another_saga_gives_nothing_back(people: People, lines: Lines) -> None:
    booked = await sold(people)
    other = await people.booked(await people.tutor(), lesson_time())
    await people.let_the_hold_end(other.saga)
    await people.until_state(other.saga, "EXPIRED")
    with Spoiled(people, "payment_intent", booked.intent, "$.metadata.sagaId", f"'{other.saga}'"):
        await people.reconcile()
        await people.at_rest()
        assert await people.refunds_of(booked.intent) == []
        event = await people.event(booked.intent, "payment_intent.succeeded")
        event = {**event, "id": f"evt_{uuid4().hex}"}
        event["data"]["object"]["metadata"]["sagaId"] = other.saga
        assert await people.send_event(event) == 200
        await people.at_rest()
    assert await people.refunds_of(booked.intent) == []
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NONE)


async def hand_made(people: People, intent: str, amount: int, refund_id: str) -> str:
    """A refund that somebody made at the provider, with the name of one of ours: its id there."""
    form = {"payment_intent": intent, "amount": amount, "metadata[refundId]": refund_id}
    answer = await people._stripe("POST", "/v1/refunds", form)
    return str(answer.raise_for_status().json()["id"])


async def rows_of(people: People, intent: str) -> list[tuple[Any, ...]]:
    ask = "select provider_refund_id, amount_minor, status from refund where payment_intent_id = $1 order by created_at"
    return [tuple(row) for row in await people.world.sql("payment", ask, intent)]


async def test_55_a_refund_that_has_the_name_of_another_ones_is_counted_by_itself(people: People, lines: Lines) -> None:
    first, second = await sold(people), await sold(people)
    await people.let_the_lesson_begin_in(first, 12)
    await people.cancel(first)
    (ours,) = await wait_until(lambda: people.refunds_of(first.intent), bool)
    names = [
        await hand_made(people, first.intent, 1000, ours["metadata"]["refundId"]),
        await hand_made(people, second.intent, 2000, ours["metadata"]["refundId"]),
    ]
    await people.reconcile()
    await people.at_rest()
    assert await rows_of(people, first.intent) == [(ours["id"], 2500, "SUCCEEDED"), (names[0], 1000, "SUCCEEDED")]
    assert await rows_of(people, second.intent) == [(names[1], 2000, "SUCCEEDED")]
    assert (await people.payment(second.payment)).refunded.amount_minor == 2000


async def unanswered(people: People) -> tuple[Booked, str, str]:
    """A cancelled lesson whose refund the provider has not made; its cancel, and the refund's name."""
    booked = await sold(people)
    await people.fault("/v1/refunds", "error_before", times=1)
    await people.cancel(booked)
    cancel = await cancel_of(people, booked)
    await put_to_sleep(people, cancel)
    (row,) = await people.world.sql("payment", "select id from refund where payment_intent_id = $1", booked.intent)
    return booked, cancel, str(row["id"])


async def test_55_a_refund_that_has_our_name_and_another_amount_is_not_ours(people: People, lines: Lines) -> None:
    booked, cancel, name = await unanswered(people)
    other = await hand_made(people, booked.intent, 100, name)
    await people.retry(cancel)
    await people.at_rest()
    assert (other, 100, "SUCCEEDED") in await rows_of(people, booked.intent)
    payment, refunds = await people.payment(booked.payment), await people.refunds_of(booked.intent)
    assert payment.refunded.amount_minor == sum(refund["amount"] for refund in refunds)


async def test_55_a_copy_of_our_refund_is_counted_beside_it(people: People, lines: Lines) -> None:
    booked = await sold(people)
    await people.let_the_lesson_begin_in(booked, 12)
    await people.cancel(booked)
    (ours,) = await wait_until(lambda: people.refunds_of(booked.intent), bool)
    copy = await hand_made(people, booked.intent, 2500, ours["metadata"]["refundId"])
    await people.reconcile()
    await people.at_rest()
    assert {row[0] for row in await rows_of(people, booked.intent)} == {ours["id"], copy}
    assert (await people.payment(booked.payment)).refunded.amount_minor == 5000


async def test_55_a_refund_that_is_told_by_the_id_of_another_ones_is_not_believed(people: People, lines: Lines) -> None:
    first = await sold(people)
    await people.cancel(first)
    (ours,) = await wait_until(lambda: people.refunds_of(first.intent), bool)
    await wait_until(lambda: rows_of(people, first.intent), lambda rows: rows[0][0] == ours["id"])
    second, cancel, name = await unanswered(people)
    made = await hand_made(people, second.intent, 5000, name)
    with Spoiled(people, "refund", made, "$.id", f"'{ours['id']}'"):
        await people.reconcile()
        await people.until_backing_off(cancel)
        assert (await people.saga(cancel)).state == "COMPENSATING"
    await people.reconcile()
    await people.until_state(cancel, "REFUNDED")
    assert await rows_of(people, second.intent) == [(made, 5000, "SUCCEEDED")]
