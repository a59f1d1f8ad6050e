"""Money that no webhook told of, and money that came after the end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from mesh.errors import Refusal
from payment_svc.settling import reconcile
from tests.people import People, lesson_time, wait_until
from tests.world import World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import saga_pb2
from tutormesh.payment.v1.payment_pb2 import BookSessionResponse

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_26_a_lost_webhook_is_found_by_reconcile(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    found = await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    assert found.moved >= 1
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_26_lost_declines_are_found_by_reconcile(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    for _ in range(3):
        await people.pay(booked.payment_intent_id, "pm_card_chargeDeclined")
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    await people.until_state(booked.saga_id, "PAYMENT_FAILED")


async def test_28_money_for_an_ended_booking_goes_back_once_and_revives_nothing(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "EXPIRED")
    stray = await people.create_intent(
        amount=5000,
        currency="usd",
        **{"metadata[sagaId]": booked.saga_id, "metadata[paymentId]": booked.payment_id},
    )
    await people.webhooks("duplicate")
    await people.pay(stray["id"])
    refunds = await wait_until(lambda: people.refunds_of(stray["id"]), bool)
    await wait_until(lambda: people.inbox_of(booked.saga_id), lambda rows: all(row["status"] == "DONE" for row in rows))
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    assert (
        [refund["amount"] for refund in refunds]
        == [5000]
        == [r["amount"] for r in await people.refunds_of(stray["id"])]
    )
    assert await people.state(booked.saga_id) == "EXPIRED"
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_EXPIRED


async def test_a_second_intent_that_claims_to_be_ours_is_cancelled(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    stray = await people.create_intent(amount=5000, currency="usd", **{"metadata[sagaId]": booked.saga_id})
    await wait_until(lambda: people.intent(stray["id"]), lambda intent: intent["status"] == "canceled")
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_a_second_intent_is_found_by_reconcile_when_no_webhook_told(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    stray = await people.create_intent(amount=5000, currency="usd", **{"metadata[sagaId]": booked.saga_id})
    found = await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    assert found.strays >= 1
    assert (await people.intent(stray["id"]))["status"] == "canceled"


async def test_26_reconcile_goes_through_everything_in_pages(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 2)
    await people.webhooks("drop")
    tutor = await people.tutor()
    paid = [await people.book(tutor, lesson_time(hour=hour)) for hour in (8, 10, 12, 14, 16)]
    for booked in paid:
        await people.pay(booked.payment_intent_id)
    stages, token, moved = list[str](), "", 0
    while not stages or token:
        found = await people.operator.Reconcile(saga_pb2.ReconcileRequest(is_paged=True, page_token=token), timeout=20)
        stages.append(token.partition(":")[0] or "waiting")
        token, moved = found.next_page_token, moved + found.moved
    assert stages.count("waiting") >= 3
    assert list(dict.fromkeys(stages)) == ["waiting", "refunds", "strays", "untold", "sleeping"]
    assert moved >= len(paid)
    for booked in paid:
        await people.until_state(booked.saga_id, "COMPLETED")


async def test_a_cursor_that_no_round_has_is_refused(people: People) -> None:
    with pytest.raises(Refusal) as refused:
        await people.operator.Reconcile(saga_pb2.ReconcileRequest(is_paged=True, page_token="nowhere:"), timeout=20)
    assert (refused.value.reason, refused.value.field) == ("BAD_USER_INPUT", "page_token")


async def test_reconcile_twice_at_once_is_safe(people: People) -> None:
    import asyncio

    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    ask = saga_pb2.ReconcileRequest()
    await asyncio.gather(*(people.operator.Reconcile(ask, timeout=20) for _ in range(4)))
    await people.until_state(booked.saga_id, "COMPLETED")
    assert await people.refunds_of(booked.payment_intent_id) == []


async def test_26_a_refund_by_hand_that_no_webhook_told_of_is_found_by_reconcile(people: People) -> None:
    booked = await sold(people)
    await people.refund_by_hand(booked.payment_intent_id, 2000)
    await reconciled(people)
    shown = await wait_until(lambda: people.payment(booked.payment_id), lambda payment: payment.refunded.amount_minor)
    assert shown.refunded.amount_minor == 2000


async def test_26_a_refund_that_failed_unheard_is_found_by_reconcile(people: People) -> None:
    booked = await sold(people)
    await people.refund_by_hand(booked.payment_intent_id, 2000)
    await reconciled(people)
    await wait_until(lambda: people.payment(booked.payment_id), lambda payment: payment.refunded.amount_minor)
    (refund,) = await people.refunds_of(booked.payment_intent_id)
    await people.settle_refund(refund["id"], "failed")
    await reconciled(people)
    await wait_until(lambda: people.payment(booked.payment_id), lambda payment: not payment.refunded.amount_minor)


async def test_26_a_dispute_that_no_webhook_told_of_is_found_by_reconcile(people: People) -> None:
    booked = await sold(people)
    await people.dispute(booked.payment_intent_id)
    await reconciled(people)
    await wait_until(lambda: people.payment(booked.payment_id), lambda payment: payment.disputed)


async def sold(people: People) -> BookSessionResponse:
    """A lesson sold while no webhook arrives."""
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await reconciled(people)
    await people.until_state(booked.saga_id, "COMPLETED")
    return booked


async def reconciled(people: People) -> None:
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)


@pytest.mark.parametrize("swept", [True, False])
async def test_a_lesson_that_was_over_before_anybody_learned_of_its_payment_is_not_sold(
    people: People, world: World, swept: bool
) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time(days=3))
    await people.pay(booked.intent)
    await _everything_is_down_until_the_lesson_is_over(world, UUID(booked.saga), timedelta(days=4))
    if swept:
        await world.sql("availability", "delete from claim where saga_id = $1", UUID(booked.saga))
    await people.until_state(booked.saga, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def _everything_is_down_until_the_lesson_is_over(world: World, saga: UUID, back: timedelta) -> None:
    """Time cannot be moved on, so all that these rows say is moved back."""
    hold = "start_at = start_at - $2::interval, end_at = end_at - $2::interval, expires_at = start_at - $2::interval"
    await world.sql("availability", f"update hold set {hold} where saga_id = $1", saga, back)
    during = "tstzrange(lower(during) - $2::interval, upper(during) - $2::interval)"
    past = "clock_timestamp() - interval '1 hour'"
    await world.sql(
        "availability", f"update claim set during = {during}, expires_at = {past} where saga_id = $1", saga, back
    )
    moved = f"time_slot = time_slot - $2::interval, hold_ends = {past}, wake_at = clock_timestamp()"
    await world.sql("payment", f"update saga set {moved} where id = $1", saga, back)
