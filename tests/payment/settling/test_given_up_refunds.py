"""A refund that succeeds and fails later, again and again: it is tried so often and no more, then a person decides."""

from __future__ import annotations

from typing import Any

import pytest

from payment_svc.providers.refunds import MOST_FAILED
from tests.learners import Enrolled, active, leave
from tests.payment.faults import ALWAYS, alerted, cancel_of, sold
from tests.payment.settling.test_refused_refunds import (
    FAILED,
    NEEDS_REVIEW,
    PAID,
    REFUNDED,
    SUCCEEDED,
    told,
    until_told,
)
from tests.people import Booked, People, lesson_time, wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")


async def cancelled(people: People) -> Booked:
    booked = await sold(people)
    await people.cancel(booked)
    return booked


async def left(people: People) -> Enrolled:
    place = await active(people)
    await leave(people, place)
    return place


async def undone(people: People) -> Booked:
    """Paid with another amount than the price."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.update_intent(booked.intent, amount=5001)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "REFUNDED")
    return booked


async def cases_of(people: People, student: Any) -> list[Any]:
    ask = "select id, state from saga where kind = 'RefundCase' and student_id = $1 order by created_at"
    return await people.world.sql("payment", ask, student)


async def until_parked(people: People, student: Any) -> str:
    """Until the refund of a student has a case that waits for a person: the case."""
    found = await wait_until(
        lambda: cases_of(people, student), lambda rows: [r["state"] for r in rows][-1:] == ["PARKED"]
    )
    await people.at_rest()
    return str(found[-1]["id"])


async def fail_by_the_bank(people: People, intent: str) -> None:
    """The newest refund of an intent is returned, days after it had succeeded."""
    known = "select provider_refund_id as id from refund where payment_intent_id = $1 and status = 'SUCCEEDED'"
    newest = await wait_until(lambda: people.refunds_of(intent), lambda found: found[-1]["status"] == "succeeded")
    await wait_until(lambda: people.world.sql("payment", known, intent), lambda rows: rows == [(newest[-1]["id"],)])
    await people.settle_refund(newest[-1]["id"], "failed")


@pytest.mark.parametrize("way", [cancelled, left, undone], ids=lambda way: way.__name__)
async def test_53_a_refund_that_the_bank_returns_each_time_is_parked(
    people: People, capsys: pytest.CaptureFixture[str], way: Any
) -> None:
    sale = await way(people)
    for _ in range(MOST_FAILED):
        await fail_by_the_bank(people, sale.intent)
    await until_parked(people, sale.student)
    assert alerted(capsys.readouterr().out, "saga_parked")
    assert [refund["status"] for refund in await people.refunds_of(sale.intent)] == ["failed"] * MOST_FAILED
    assert await told(people, sale.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_53_one_failure_less_is_made_good_without_a_person(people: People) -> None:
    booked = await cancelled(people)
    for _ in range(MOST_FAILED - 1):
        await fail_by_the_bank(people, booked.intent)
    await wait_until(
        lambda: people.our_refunds_of(booked.intent), lambda rows: [r["status"] for r in rows] == ["SUCCEEDED"]
    )
    await people.at_rest()
    assert await cases_of(people, booked.student) == []
    await until_told(people, booked.payment, REFUNDED, 5000, 0, PAID)


async def test_53_nobody_makes_a_parked_refund_again(people: People) -> None:
    booked = await cancelled(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    await until_parked(people, booked.student)
    await people.no_faults()
    await people.redeliver((await people.event(booked.intent, "refund.failed"))["id"])
    await people.dispute(booked.intent)
    await people.reconcile()
    await people.at_rest()
    assert len(await people.refunds_of(booked.intent)) == MOST_FAILED
    assert [row["state"] for row in await cases_of(people, booked.student)] == ["PARKED"]


async def test_53_a_person_has_it_tried_again_as_often_each_time(people: People) -> None:
    booked = await cancelled(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    case = await until_parked(people, booked.student)
    await people.retry(case)
    assert await until_parked(people, booked.student) == case
    assert len(await people.refunds_of(booked.intent)) == 2 * MOST_FAILED
    await people.no_faults()
    await people.retry(case)
    await people.until_state(case, "REFUNDED")
    assert await told(people, booked.payment) == (REFUNDED, 5000, 0, PAID)
    for _ in range(MOST_FAILED):
        await fail_by_the_bank(people, booked.intent)
    assert await until_parked(people, booked.student) != case


async def test_53_a_refund_by_hand_ends_the_case(people: People) -> None:
    booked = await cancelled(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    case = await until_parked(people, booked.student)
    await people.no_faults()
    await people.refund_by_hand(booked.intent, 5000)
    await people.until_state(case, "REFUNDED")
    assert await told(people, booked.payment) == (REFUNDED, 5000, 0, PAID)


async def test_53_a_case_that_a_person_has_closed_stays_closed(people: People) -> None:
    booked = await cancelled(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    case = await until_parked(people, booked.student)
    await people.resolve(case, "REFUNDED")
    await people.no_faults()
    await people.redeliver((await people.event(booked.intent, "refund.failed"))["id"])
    await people.reconcile()
    await people.at_rest()
    assert len(await people.refunds_of(booked.intent)) == MOST_FAILED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, FAILED)


async def test_53_a_cancels_own_refund_that_keeps_failing_parks_the_cancel(people: People) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await people.cancel(booked)
    cancel = await cancel_of(people, booked)
    await people.until_state(cancel, "PARKED")
    assert len(await people.refunds_of(booked.intent)) == MOST_FAILED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)
    assert (await people.cancel(booked)).refund.amount_minor == 5000
    await people.no_faults()
    await people.retry(cancel)
    await people.until_state(cancel, "REFUNDED")


async def test_53_a_refund_that_is_only_slow_is_not_given_up(people: People) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_pending", times=1)
    await people.cancel(booked)
    cancel = await cancel_of(people, booked)
    for _ in range(MOST_FAILED + 2):
        wake = "update saga set wake_at = clock_timestamp() where id = $1::text::uuid and lease_until is null"
        await people.world.sql("payment", wake, cancel)
        await people.until_backing_off(cancel)
    assert await people.state(cancel) == "COMPENSATING"
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "succeeded")
    await people.until_state(cancel, "REFUNDED")
