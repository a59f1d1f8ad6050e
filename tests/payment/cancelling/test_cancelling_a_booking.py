"""Cancelling: before paying, after paying, racing both; the policy, quotes, and refunds that go wrong later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal, TryAgain
from tests.payment.faults import timeline_of
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import StallAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

CANCELLED, CONFIRMED = booking_pb2.BOOKING_STATUS_CANCELLED, booking_pb2.BOOKING_STATUS_CONFIRMED


pytestmark = pytest.mark.usefixtures("short_pauses")


def in_hours(hours: float) -> datetime:
    """A quarter of an hour, so many hours from now or a little sooner."""
    time = datetime.now(UTC) + timedelta(hours=hours)
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


async def sold(people: People, start: datetime | None = None, rate: int = 5000) -> Booked:
    """A confirmed lesson."""
    booked = await people.booked(await people.tutor(rate=rate), start or lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def assert_taken_back(people: People, booked: Booked, refunded: int) -> None:
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert (await people.session(booked.session)).status == session_pb2.SESSION_STATUS_CANCELLED
    assert await people.claims(booked.saga) == []
    assert sum(refund["amount"] for refund in await people.refunds_of(booked.intent)) == refunded


async def test_40_cancelling_before_paying_frees_the_slot_and_closes_the_intent(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    answer = await people.cancel(booked)
    assert answer.refund.amount_minor == 0
    assert await people.state(booked.saga) == "CANCELLED"
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert (await people.intent(booked.intent))["status"] == "canceled"
    assert (await people.payment(booked.payment)).status == payment_pb2.PAYMENT_STATUS_CANCELLED
    assert await people.claims(booked.saga) == []


async def test_40_a_payment_that_beats_the_cancel_comes_back_once(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.cancel(booked)
    await people.until_state(booked.saga, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert (await people.payment(booked.payment)).status == payment_pb2.PAYMENT_STATUS_REFUNDED


async def test_40_a_payment_racing_a_cancel_has_one_outcome(people: People) -> None:
    for _ in range(5):
        booked = await people.booked(await people.tutor(), lesson_time())
        paid, _ = await asyncio.gather(people.pay(booked.intent), people.cancel(booked))
        await wait_until(lambda b=booked: people.booking(b.booking), lambda booking: booking.status == CANCELLED)
        await people.at_rest()
        back = sum(refund["amount"] for refund in await people.refunds_of(booked.intent))
        assert back == (5000 if paid.status_code == 200 else 0)
        assert await people.claims(booked.saga) == []


@pytest.mark.parametrize(("hours", "percent"), [(30, 100), (10, 50), (1, 0)])
async def test_41_the_policy_decides_and_the_quote_is_what_is_paid(people: People, hours: int, percent: int) -> None:
    booked = await sold(people, in_hours(hours))
    quote = await people.quote(booked)
    assert (quote.percent, quote.refund.amount_minor) == (percent, 50 * percent)
    answer = await people.cancel(booked, quote_token=quote.token)
    assert answer.refund == quote.refund
    await assert_taken_back(people, booked, 50 * percent)
    status = {100: 6, 50: 5, 0: 2}[percent]
    assert (await people.payment(booked.payment)).status == status


async def test_41_a_quote_holds_though_the_policy_would_give_less_by_now(people: People) -> None:
    booked = await sold(people, in_hours(30))
    quote = await people.quote(booked)
    await people.let_the_lesson_begin_in(booked, 1)
    answer = await people.cancel(booked, quote_token=quote.token)
    assert answer.refund.amount_minor == 5000


async def test_41_a_quote_expires_after_fifteen_minutes(people: People) -> None:
    booked = await sold(people)
    quotes = people.world.replicas[0].app.purchases.cancel_lessons.quotes
    past = quotes.read((await people.quote(booked)).token)
    old = type(past)(**{**_fields(past), "expires_at": past.expires_at - timedelta(minutes=16)})
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, quote_token=quotes.token(old))
    assert refused.value.reason == "QUOTE_EXPIRED"
    assert (await people.booking(booked.booking)).status == CONFIRMED


def _fields(quote: object) -> dict[str, object]:
    return {name: getattr(quote, name) for name in quote.__slots__}  # type: ignore[attr-defined]


async def test_41_a_quote_ends_with_any_change_of_the_payment(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    quote = await people.quote(booked)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, quote_token=quote.token)
    assert refused.value.reason == "QUOTE_EXPIRED"


@pytest.mark.parametrize("forged", ["nonsense", "a.b", "é", "e30.e30"])
async def test_a_forged_quote_is_refused(people: People, forged: str) -> None:
    booked = await sold(people)
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, quote_token=forged)
    assert refused.value.reason == "QUOTE_EXPIRED"


async def test_a_quote_is_for_its_person_and_booking_only(people: People) -> None:
    one, other = await sold(people), await sold(people)
    quote = await people.quote(one)
    for booked, who in ((other, other.student), (one, one.tutor)):
        with pytest.raises(Refusal) as refused:
            await people.cancel(booked, who=who, quote_token=quote.token)
        assert refused.value.reason == "QUOTE_EXPIRED"


async def test_42_the_policy_of_the_purchase_holds_when_the_setting_changes(people: People, world: World) -> None:
    booked = await sold(people, in_hours(30))
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica(cancellation_policy="1000h:10")
    assert (await people.cancel(booked)).refund.amount_minor == 5000
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica()


@pytest.mark.parametrize("role", ["tutor", "admin"])
async def test_42_the_tutor_or_the_platform_gives_everything_back(people: People, role: str) -> None:
    booked = await sold(people, in_hours(1))
    who = booked.tutor if role == "tutor" else uuid4()
    answer = await people.cancel(booked, who=who, role=role)
    assert answer.refund.amount_minor == 5000
    await assert_taken_back(people, booked, 5000)


async def test_43_student_tutor_and_admin_at_once_make_one_refund(people: People) -> None:
    booked = await sold(people, in_hours(10))
    answers = await asyncio.gather(
        people.cancel(booked),
        people.cancel(booked, who=booked.tutor, role="tutor"),
        people.cancel(booked, who=uuid4(), role="admin"),
        people.cancel(booked),
    )
    assert len({(answer.saga_id, answer.refund.amount_minor) for answer in answers}) == 1
    refunds = await people.refunds_of(booked.intent)
    assert [refund["amount"] for refund in refunds] == [answers[0].refund.amount_minor]


async def test_cancelling_again_gives_the_first_answer(people: People) -> None:
    booked = await sold(people)
    first = await people.cancel(booked)
    assert await people.cancel(booked, who=booked.tutor, role="tutor") == first
    assert len(await people.refunds_of(booked.intent)) == 1


@pytest.mark.usefixtures("no_replica")
async def test_44_a_refunds_webhook_before_our_own_commit_leaves_one_row(people: People, world: World) -> None:
    stall = StallAt("after create_refund")
    await world.start_replica(stall, saga_lease_seconds=30)
    booked = await sold(people)
    cancel = asyncio.ensure_future(people.cancel(booked))
    await asyncio.wait_for(stall.reached.wait(), 10)
    assert [row["status"] for row in await people.refund_rows(booked)] == ["PENDING"]
    told = "select type from stripe_event where payment_intent_id = $1 and type like '%refund%' and status = 'DONE'"
    await wait_until(lambda: world.sql("payment", told, booked.intent), bool)
    stall.go.set()
    assert (await cancel).refund.amount_minor == 5000
    await people.until_state((await cancel).saga_id, "REFUNDED")
    await people.at_rest()
    assert await people.state(booked.saga) == "COMPLETED"
    rows = await people.refund_rows(booked)
    assert [(row["status"], row["amount_minor"]) for row in rows] == [("SUCCEEDED", 5000)]
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_45_a_refund_that_fails_after_success_is_made_again(people: People) -> None:
    booked = await sold(people)
    await people.cancel(booked)
    refund = (await people.refunds_of(booked.intent))[0]
    await people.settle_refund(refund["id"], "failed")
    await wait_until(
        lambda: people.refund_rows(booked), lambda rows: [r["status"] for r in rows] == ["FAILED", "SUCCEEDED"]
    )
    assert (await people.payment(booked.payment)).status == payment_pb2.PAYMENT_STATUS_REFUNDED


async def test_45_a_refund_by_hand_at_the_provider_is_imported_once(people: People) -> None:
    booked = await sold(people)
    await people.webhooks("duplicate")
    await people.refund_by_hand(booked.intent, 2000)
    await wait_until(lambda: people.refund_rows(booked), bool)
    await people.at_rest()
    rows = await people.refund_rows(booked)
    assert [(row["status"], row["amount_minor"], row["reason"]) for row in rows] == [
        ("SUCCEEDED", 2000, "made_at_provider")
    ]
    assert (await people.payment(booked.payment)).status == payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED
    assert (await people.cancel(booked)).refund.amount_minor == 3000  # what is left


async def test_a_refund_that_stays_pending_is_answered_and_finished_later(people: People) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_pending")
    answer = await people.cancel(booked)
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await people.state(answer.saga_id) == "COMPENSATING"
    await people.settle_refund((await people.refunds_of(booked.intent))[0]["id"], "succeeded")
    await people.until_state(answer.saga_id, "REFUNDED")


async def test_a_cancel_between_pivot_and_completion_first_finishes_forward(people: People, world: World) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    stall = StallAt("before CreateConfirmedSession")
    await world.start_replica(stall)
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await asyncio.wait_for(stall.reached.wait(), 10)
    cancel = asyncio.ensure_future(people.cancel(booked))
    stall.go.set()
    assert (await cancel).refund.amount_minor == 5000
    assert (await timeline_of(people, booked))[-2:] == ["completed", "cancelled"]
    await assert_taken_back(people, booked, 5000)


async def test_what_has_ended_otherwise_or_begun_is_not_cancellable(people: People) -> None:
    expired = await people.booked(await people.tutor(), lesson_time())
    await people.let_the_hold_end(expired.saga)
    await people.until_state(expired.saga, "EXPIRED")
    begun = await sold(people, in_hours(30))
    await people.let_the_lesson_begin_in(begun, -1)
    for booked in (expired, begun):
        for ask in (people.cancel, people.quote):
            with pytest.raises(Refusal) as refused:
                await ask(booked)
            assert refused.value.reason == "NOT_CANCELLABLE"


async def test_a_lesson_that_took_place_gives_nothing_back(people: People) -> None:
    booked = await sold(people)
    await people.world.sql(
        "session",
        "update session set scheduled_at = scheduled_at - interval '10 days', status = 'COMPLETED',"
        " completed_at = clock_timestamp() where id = $1",
        UUID(booked.session),
    )
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, who=booked.tutor, role="tutor")
    assert refused.value.reason == "NOT_CANCELLABLE"
    assert await people.refunds_of(booked.intent) == []
    assert (await people.payment(booked.payment)).refunded.amount_minor == 0
    assert (await people.booking(booked.booking)).status == CONFIRMED


async def test_47_anothers_booking_cannot_be_cancelled_or_quoted(people: People) -> None:
    booked = await sold(people)
    for ask in (people.cancel, people.quote):
        with pytest.raises(Refusal) as theirs:
            await ask(booked, who=uuid4())
        assert theirs.value.reason == "NOT_FOUND"


async def test_a_cancelled_slot_is_free_for_others(people: People) -> None:
    booked = await sold(people)
    await people.cancel(booked)
    again = await people.book(booked.tutor, lesson_time())
    assert again.saga_state == "AWAITING_PAYMENT"


async def test_a_free_lesson_is_cancelled_without_money(people: People) -> None:
    booked = await people.booked(await people.tutor(rate=0), lesson_time())
    answer = await people.cancel(booked)
    assert answer.refund.amount_minor == 0
    await people.until_state(answer.saga_id, "CANCELLED")
    assert (await people.booking(booked.booking)).status == CANCELLED


async def test_a_dispute_is_shown_and_waits_for_a_person(people: People) -> None:
    booked = await sold(people)
    dispute = await people.dispute(booked.intent)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    parked = await people.world.sql(
        "payment", "select id, state from saga where kind = 'DisputeCase' and booking_id = $1", UUID(booked.booking)
    )
    assert [row["state"] for row in parked] == ["PARKED"]
    await people.close_dispute(dispute, "won")
    await wait_until(lambda: people.payment(booked.payment), lambda payment: not payment.disputed)
    with pytest.raises(Refusal) as refused:
        await people.retry(str(parked[0]["id"]))
    assert refused.value.reason == "WRONG_STATE"
    await people.resolve(str(parked[0]["id"]), "COMPLETED")


async def test_38_a_cancel_leaves_a_booking_of_a_version_that_this_replica_does_not_know_alone(
    people: People, world: World
) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    of_version = "update saga set version = $2 where id = $1"
    await world.sql("payment", of_version, UUID(booked.saga), 2)
    with pytest.raises(TryAgain):
        await people.cancel(booked)
    assert await people.state(booked.saga) == "AWAITING_PAYMENT"
    await world.sql("payment", of_version, UUID(booked.saga), 1)
    assert (await people.cancel(booked)).refund.amount_minor == 0
