"""Refunds that keep failing are tried at the speed of the backoff, whatever events they make."""

from __future__ import annotations

import asyncio

import pytest

from tests.payment.faults import ALWAYS, StallsOne, alerted, cancel_of, sold
from tests.payment.settling.test_given_up_refunds import until_parked
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import World

SECONDS = 6
#: 1, 2 and 4 seconds' pauses, each halved by its jitter at most.
TRIES_IN_SIX_SECONDS = 6


async def tries(people: People, booked: Booked) -> int:
    """How often the provider was asked in the seconds to come, while it fails every refund."""
    before = len(await people.refunds_of(booked.intent))
    await asyncio.sleep(SECONDS)
    return len(await people.refunds_of(booked.intent)) - before


async def one_that_came_back(people: People) -> Booked:
    """A lesson that was cancelled, its money back, everything at rest."""
    booked = await sold(people)
    await people.cancel(booked)
    await wait_until(lambda: people.nothing_open(booked.student), bool)
    return booked


async def test_33_a_cancels_refund_that_keeps_failing_is_tried_at_the_speed_of_the_backoff(
    people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await people.cancel(booked)
    assert await tries(people, booked) <= TRIES_IN_SIX_SECONDS
    told = capsys.readouterr().out
    assert alerted(told, "refund_not_done")
    line = next(line for line in told.splitlines() if "refund_not_done" in line)
    for known in (
        f"booking_id={booked.booking}",
        f"saga_id={booked.saga}",
        f"intent_id={booked.intent}",
        "amount=$50.00",
    ):
        assert known in line
    await people.no_faults()
    await people.retry(await cancel_of(people, booked))
    await people.until_state(await cancel_of(people, booked), "REFUNDED")


async def test_33_a_refund_that_fails_after_the_end_is_made_anew_at_the_speed_of_the_backoff(people: People) -> None:
    booked = await one_that_came_back(people)
    (refund,) = await people.refunds_of(booked.intent)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await people.settle_refund(refund["id"], "failed")
    assert 1 <= await tries(people, booked) <= TRIES_IN_SIX_SECONDS
    case = await until_parked(people, booked.student)
    await people.no_faults()
    await people.retry(case)
    await wait_until(lambda: people.nothing_open(booked.student), bool)
    assert [row["status"] for row in await people.our_refunds_of(booked.intent)] == ["SUCCEEDED"]


async def test_33_events_of_one_intent_back_off_together(people: People) -> None:
    booked = await one_that_came_back(people)
    (refund,) = await people.refunds_of(booked.intent)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await people.settle_refund(refund["id"], "failed")
    # Three events tell of the first refund's failure. More of them are of the one made anew, which fails at once.
    ask = """select count(*) > 3 and max(wake_at) - min(wake_at) < interval '0.1 seconds' as together
             from stripe_event where payment_intent_id = $1 and status = 'INBOX' and attempt > 0"""
    await wait_until(lambda: people.world.sql("payment", ask, booked.intent), lambda rows: rows[0]["together"])
    await people.no_faults()
    await people.hurry_the_inbox(booked.saga)
    await wait_until(lambda: people.nothing_open(booked.student), bool)


async def test_33_that_a_refund_made_anew_has_succeeded_is_heard_while_others_of_its_events_sleep(
    people: People,
) -> None:
    booked = await one_that_came_back(people)
    (first,) = await people.refunds_of(booked.intent)
    await people.fault("/v1/refunds", "refund_pending", times=1)
    await people.settle_refund(first["id"], "failed")
    _, second = await wait_until(lambda: people.refunds_of(booked.intent), lambda found: len(found) == 2)
    sleeps = "select 1 from stripe_event where payment_intent_id = $1 and wake_at > clock_timestamp() and attempt > 0"
    await wait_until(lambda: people.world.sql("payment", sleeps, booked.intent), bool)
    await people.world.sql(
        "payment",
        "update stripe_event set wake_at = wake_at + interval '1 hour' where payment_intent_id = $1 and status = 'INBOX'",
        booked.intent,
    )
    await people.settle_refund(second["id"], "succeeded")
    await wait_until(
        lambda: people.our_refunds_of(booked.intent), lambda rows: [row["status"] for row in rows] == ["SUCCEEDED"]
    )
    await people.hurry_the_inbox(booked.saga)
    await wait_until(lambda: people.nothing_open(booked.student), bool)


async def test_a_refund_that_is_only_on_its_way_calls_nobody(
    people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_pending", times=1)
    await people.cancel(booked)
    await people.until_backing_off(await cancel_of(people, booked))
    assert not alerted(capsys.readouterr().out, "refund_not_done")
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "succeeded")
    await people.until_state(await cancel_of(people, booked), "REFUNDED")


@pytest.mark.usefixtures("no_replica")
async def test_34_what_a_stalled_replica_once_heard_of_a_refund_does_not_cover_what_was_heard_since(
    people: People, world: World
) -> None:
    undisturbed = await world.start_replica()
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.update_intent(booked.intent, amount=100)
    await people.pay(booked.intent)
    await world.stop_replica(undisturbed)
    stall = StallsOne("before record")
    await world.start_replica(stall)
    await people.webhooks("normal")
    await asyncio.wait_for(stall.reached.wait(), 15)  # it is about to write that the refund has succeeded
    await world.start_replica()
    await people.until_state(booked.saga, "REFUNDED")
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "failed")
    await wait_until(lambda: people.refunds_of(booked.intent), lambda found: len(found) == 2)
    await wait_until(lambda: people.nothing_open(booked.student), bool)
    stall.go.set()
    await asyncio.wait_for(stall.passed.wait(), 10)
    assert sorted(row["status"] for row in await people.refund_rows(booked)) == ["FAILED", "SUCCEEDED"]
