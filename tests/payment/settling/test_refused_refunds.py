"""A refund that the provider refuses for good: what was sold ends, the truth is told once, and a person decides."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from payment_svc.domain import MADE_AT_PROVIDER
from tests.learners import active, leave
from tests.learners import status as status_of_place
from tests.payment.faults import alerted, cancel_of, row_of, sold
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2 as pb

CANCELLED = booking_pb2.BOOKING_STATUS_CANCELLED
SUCCEEDED, PARTLY, REFUNDED = (
    pb.PAYMENT_STATUS_SUCCEEDED,
    pb.PAYMENT_STATUS_PARTIALLY_REFUNDED,
    pb.PAYMENT_STATUS_REFUNDED,
)
NONE, PENDING, PAID = pb.REFUND_STATE_NONE, pb.REFUND_STATE_PENDING, pb.REFUND_STATE_PAID
FAILED, NEEDS_REVIEW = pb.REFUND_STATE_FAILED, pb.REFUND_STATE_NEEDS_REVIEW


async def told(people: People, payment_id: str) -> tuple[int, int, int, int]:
    """What is told of a payment: its status, what is back, what is on its way, and how far it is."""
    payment = await people.payment(payment_id)
    return payment.status, payment.refunded.amount_minor, payment.refund_pending.amount_minor, payment.refund_state


async def until_told(people: People, payment_id: str, *truth: int) -> None:
    await wait_until(lambda: told(people, payment_id), lambda found: found == truth)


async def disputed(people: People) -> tuple[Booked, str]:
    """A lesson that was sold, and whose payment is disputed."""
    booked = await sold(people)
    dispute = await people.dispute(booked.intent)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    return booked, dispute


async def parked_of(people: People, saga_id: str) -> list[str]:
    """The states of all sagas around a purchase but disputes."""
    ask = """select state from saga where booking_id = (select booking_id from saga where id = $1)
             and kind <> 'DisputeCase' order by created_at"""
    return [row["state"] for row in await people.world.sql("payment", ask, UUID(saga_id))]


@pytest.mark.parametrize(
    ("role", "hours_left", "due"), [("student", 48, 5000), ("student", 12, 2500), ("tutor", 1, 5000)]
)
async def test_52_a_cancel_whose_refund_is_refused_has_one_answer_and_is_not_told_as_paid(
    people: People, capsys: pytest.CaptureFixture[str], role: str, hours_left: int, due: int
) -> None:
    booked, _ = await disputed(people)
    await people.let_the_lesson_begin_in(booked, hours_left)
    who = booked.tutor if role == "tutor" else booked.student
    answers = [await people.cancel(booked, who=who, role=role) for _ in range(3)]
    assert {(answer.refund.amount_minor, answer.saga_id) for answer in answers} == {(due, answers[0].saga_id)}
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)
    assert await people.state(answers[0].saga_id) == "PARKED"
    assert await people.refunds_of(booked.intent) == []
    assert {row["status"] for row in await people.refund_rows(booked)} == {"FAILED"}
    assert alerted(capsys.readouterr().out, "saga_parked")


async def test_52_the_same_for_a_seat_in_a_course(people: People) -> None:
    place = await active(people)
    await people.dispute(place.intent)
    answers = [await leave(people, place) for _ in range(3)]
    assert [answer.refund.amount_minor for answer in answers] == [5000] * 3
    assert await status_of_place(people, place) == 3
    await until_told(people, place.payment, SUCCEEDED, 0, 0, NEEDS_REVIEW)
    assert await parked_of(people, place.saga) == ["COMPLETED", "PARKED"]


async def test_52_a_refused_refund_is_asked_for_no_more_by_anybody(people: People) -> None:
    booked, _ = await disputed(people)
    await people.cancel(booked)
    rows = await people.refund_rows(booked)
    await people.redeliver((await people.event(booked.intent, "charge.dispute.created"))["id"])
    await people.reconcile()
    await people.at_rest()
    assert await people.refund_rows(booked) == rows
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_52_a_retry_pays_once_the_provider_allows_it(people: People) -> None:
    booked, dispute = await disputed(people)
    cancel = (await people.cancel(booked)).saga_id
    await people.retry(cancel)
    assert await people.state(cancel) == "PARKED"
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)
    await people.close_dispute(dispute, "won")
    await people.retry(cancel)
    await people.until_state(cancel, "REFUNDED")
    assert await told(people, booked.payment) == (REFUNDED, 5000, 0, PAID)
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_52_a_refund_by_hand_ends_the_parked_cancel_by_itself(people: People) -> None:
    booked, dispute = await disputed(people)
    cancel = (await people.cancel(booked)).saga_id
    await people.close_dispute(dispute, "won")
    await people.refund_by_hand(booked.intent, 5000)
    await people.until_state(cancel, "REFUNDED")
    assert await told(people, booked.payment) == (REFUNDED, 5000, 0, PAID)
    assert [row["reason"] for row in await people.refund_rows(booked) if row["status"] == "SUCCEEDED"] == [
        MADE_AT_PROVIDER
    ]


async def test_52_a_person_who_settles_it_closes_the_review(people: People) -> None:
    booked, dispute = await disputed(people)
    cancel = (await people.cancel(booked)).saga_id
    await people.resolve(cancel, "CANCELLED")
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, FAILED)
    await people.close_dispute(dispute, "won")
    await people.reconcile()
    await people.at_rest()
    assert await people.refunds_of(booked.intent) == []
    assert (await people.cancel(booked)).refund.amount_minor == 5000


async def test_52_an_undone_purchase_whose_refund_is_refused_ends_its_booking_and_waits(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.update_intent(booked.intent, amount=700)
    await people.pay(booked.intent)
    dispute = await people.dispute(booked.intent)
    await people.webhooks("normal")
    await people.until_state(booked.saga, "PARKED")
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await people.claims(booked.saga) == []
    await until_told(people, booked.payment, SUCCEEDED, 0, 0, NEEDS_REVIEW)
    for ask in (people.cancel, people.quote):
        with pytest.raises(Refusal) as refused:
            await ask(booked)
        assert refused.value.reason == "NOT_CANCELLABLE"
    await people.close_dispute(dispute, "won")
    await people.retry(booked.saga)
    await people.until_state(booked.saga, "REFUNDED")
    assert await told(people, booked.payment) == (REFUNDED, 700, 0, PAID)


async def test_52_money_that_races_a_cancel_and_cannot_go_back_is_told_as_received(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.pay(booked.intent)
    await people.dispute(booked.intent)
    answers = [await people.cancel(booked) for _ in range(2)]
    assert [answer.refund.amount_minor for answer in answers] == [5000, 5000]
    await people.until_state(booked.saga, "PARKED")
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_52_late_money_that_cannot_go_back_gets_a_case_of_its_own(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga)
    await people.until_state(booked.saga, "EXPIRED")
    await people.webhooks("paused")
    stray = (await people.stray_of(booked.saga))["id"]
    await people.pay(stray)
    dispute = await people.dispute(stray)
    await people.webhooks("normal")
    await wait_until(lambda: parked_of(people, booked.saga), lambda found: found == ["EXPIRED", "PARKED"])
    await people.at_rest()
    (case,) = await people.world.sql(
        "payment", "select id from saga where kind = 'RefundCase' and student_id = $1", booked.student
    )
    await people.close_dispute(dispute, "won")
    await people.retry(str(case["id"]))
    await people.until_state(str(case["id"]), "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(stray)] == [5000]


async def test_52_what_an_earlier_version_parked_is_told_as_it_is(people: People) -> None:
    booked, _ = await disputed(people)
    cancel = (await people.cancel(booked)).saga_id
    as_it_was = """update saga set context = context - 'refunds_given_up',
                   error = '{"code": "UNAVAILABLE", "reason": "NEEDS_A_PERSON", "message": "", "field": ""}' where id = $1"""
    await people.world.sql("payment", as_it_was, UUID(cancel))
    assert (await people.cancel(booked)).refund.amount_minor == 5000
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_a_refund_on_its_way_is_not_told_as_back(people: People) -> None:
    booked = await sold(people)
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NONE)
    await people.fault("/v1/refunds", "refund_pending", times=1)
    await people.let_the_lesson_begin_in(booked, 12)
    await people.cancel(booked)
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 2500, PENDING)
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "succeeded")
    await people.until_state(await cancel_of(people, booked), "REFUNDED")
    assert await told(people, booked.payment) == (PARTLY, 2500, 0, PAID)


async def test_a_cancel_counts_what_is_on_its_way(people: People) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_pending", times=1)
    await people.refund_by_hand(booked.intent, 2000)
    await until_told(people, booked.payment, SUCCEEDED, 0, 2000, PENDING)
    assert (await people.quote(booked)).refund.amount_minor == 3000
    (by_hand,) = await people.refunds_of(booked.intent)
    await people.cancel(booked)
    await people.settle_refund(by_hand["id"], "succeeded")
    await until_told(people, booked.payment, REFUNDED, 5000, 0, PAID)


async def test_a_lost_dispute_leaves_nothing_to_give_back(people: People) -> None:
    booked, dispute = await disputed(people)
    before = await people.quote(booked)
    assert before.refund.amount_minor == 5000
    await people.close_dispute(dispute, "lost")
    await wait_until(lambda: people.payment(booked.payment), lambda payment: not payment.disputed)
    quote = await people.quote(booked)
    assert (quote.refund.amount_minor, quote.percent) == (0, 0)
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, quote_token=before.token)
    assert refused.value.reason == "QUOTE_EXPIRED"
    cancelled = await people.cancel(booked, quote_token=quote.token)
    assert cancelled.refund.amount_minor == 0
    assert await people.state(cancelled.saga_id) == "CANCELLED"
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NONE)
    assert (await row_of(people, booked.saga))[0]["state"] == "COMPLETED"


@pytest.mark.parametrize("role", ["student", "tutor", "admin"])
async def test_a_lost_dispute_leaves_nothing_of_a_seat_whoever_cancels(people: People, role: str) -> None:
    place = await active(people)
    await people.close_dispute(await people.dispute(place.intent), "lost")
    ask = "select charged_back from payment where payment_intent_id = $1"
    await wait_until(lambda: people.world.sql("payment", ask, place.intent), lambda rows: rows == [(True,)])
    who = {"student": place.student, "tutor": place.instructor, "admin": uuid4()}[role]
    left = await leave(people, place, who=who, role=role)
    assert left.refund.amount_minor == 0
    assert await people.state(left.saga_id) == "CANCELLED"
    assert await told(people, place.payment) == (SUCCEEDED, 0, 0, NONE)


async def test_a_dispute_that_is_won_changes_no_quote(people: People) -> None:
    booked, dispute = await disputed(people)
    await people.close_dispute(dispute, "won")
    await wait_until(lambda: people.payment(booked.payment), lambda payment: not payment.disputed)
    assert (await people.quote(booked)).refund.amount_minor == 5000
