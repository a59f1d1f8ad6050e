"""Stripe slow, erring, executing and not answering: one intent, one refund, whatever it said."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.people import People, lesson_time, wait_until

INTENTS = "/v1/payment_intents"


@pytest.mark.parametrize("fault", ["error_before", "error_after", "timeout_after", "rate_limit"])
async def test_31_32_a_create_whose_outcome_is_unknown_ends_in_one_intent(people: People, fault: str) -> None:
    await people.fault(INTENTS, fault)
    booked = await people.book(await people.tutor(), lesson_time())
    assert booked.saga_state == "AWAITING_PAYMENT"
    assert len(await people.intents_of(booked.saga_id)) == 1
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_31_a_recovery_a_day_later_finds_the_intent_by_its_metadata(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.forget_keys()
    await people.world.sql(
        "payment",
        "update saga set state = 'AWAITING_AVAILABILITY', payment_intent_id = null, wake_at = clock_timestamp(),"
        " created_at = created_at - interval '26 hours' where id = $1",
        UUID(booked.saga_id),
    )
    await people.world.sql("payment", "delete from payment where saga_id = $1", UUID(booked.saga_id))
    await people.until_state(booked.saga_id, "AWAITING_PAYMENT")
    assert [intent["id"] for intent in await people.intents_of(booked.saga_id)] == [booked.payment_intent_id]


async def test_a_provider_that_is_away_is_said_so_and_the_same_order_goes_on_later(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.fault(INTENTS, "error_before", times=3)
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student)
    assert refused.value.reason == "PAYMENT_PROVIDER_UNAVAILABLE"
    booked = await people.book(tutor, lesson_time(), student)
    assert booked.saga_state == "AWAITING_PAYMENT"
    assert len(await people.intents_of(booked.saga_id)) == 1


async def _owed(people: People) -> str:
    """A saga whose money has to go back."""
    booked = await people.book(await people.tutor(), lesson_time())
    await people.update_intent(booked.payment_intent_id, amount=100)
    await people.pay(booked.payment_intent_id)
    return str(booked.saga_id)


@pytest.mark.parametrize("fault", ["refund_pending", "refund_failed"])
async def test_33_a_refund_that_is_not_done_keeps_the_saga_open(people: People, fault: str) -> None:
    await people.fault("/v1/refunds", fault, times=1000)
    saga_id = await _owed(people)
    row = await wait_until(lambda: people.saga(saga_id), lambda saga: saga.state == "COMPENSATING" and saga.attempt > 0)
    assert row.HasField("wake_at")
    assert not row.is_complete
    assert await people.claims(saga_id) == []
    await people.no_faults()
    for refund in await people.refunds_of(row.payment_intent_id):
        if refund["status"] == "pending":
            await people.settle_refund(refund["id"], "succeeded")
    await people.retry(saga_id)
    await people.until_state(saga_id, "REFUNDED")


async def test_33_a_pending_refund_that_succeeds_later_ends_the_saga(people: People) -> None:
    await people.fault("/v1/refunds", "refund_pending")
    saga_id = await _owed(people)
    intent = (await people.intents_of(saga_id))[0]["id"]
    refund = (await wait_until(lambda: people.refunds_of(intent), bool))[0]
    await people.until_backing_off(saga_id)
    await people.settle_refund(refund["id"], "succeeded")
    await people.until_state(saga_id, "REFUNDED")
    assert len(await people.refunds_of(intent)) == 1


async def test_33_a_failed_refund_is_made_again_under_a_new_key(people: People) -> None:
    await people.fault("/v1/refunds", "refund_failed")
    saga_id = await _owed(people)
    await people.until_state(saga_id, "REFUNDED")
    intent = (await people.intents_of(saga_id))[0]["id"]
    assert sorted(refund["status"] for refund in await people.refunds_of(intent)) == ["failed", "succeeded"]


@pytest.mark.parametrize("fault", ["error_before", "error_after", "timeout_after", "rate_limit"])
async def test_a_refund_whose_outcome_is_unknown_is_made_once(people: People, fault: str) -> None:
    await people.fault("/v1/refunds", fault)
    saga_id = await _owed(people)
    await people.until_state(saga_id, "REFUNDED")
    intent = (await people.intents_of(saga_id))[0]["id"]
    assert [refund["status"] for refund in await people.refunds_of(intent)] == ["succeeded"]
