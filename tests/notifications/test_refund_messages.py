"""People are told once that a refund is paid and once that it has failed, whatever is tried in between."""

from __future__ import annotations

import pytest

from tests.learners import active, leave
from tests.notifications.conftest import Post, Receiver
from tests.payment.faults import ALWAYS, cancel_of, sold
from tests.payment.settling.test_given_up_refunds import cancelled, fail_by_the_bank, until_parked
from tests.people import People

pytestmark = pytest.mark.usefixtures("short_pauses")
SOLD = ["booking.confirmed", "booking.cancelled"]


async def test_52_a_refund_that_is_refused_is_told_as_failed_and_never_as_paid(
    people: People, receiver: Receiver, post: Post
) -> None:
    booked = await sold(people)
    await people.dispute(booked.intent)
    for _ in range(2):
        await people.cancel(booked)
    await receiver.until_taken(booked.booking, *SOLD, "refund.failed")
    told = receiver.about(booked.booking)[-1]["data"]
    assert (told["paymentId"], told["refund"]["amountMinor"]) == (booked.payment, 5000)
    for person, subject in ((booked.student, "Refund delayed: $50.00"), (booked.tutor, "Refund failed: $50.00")):
        mails = await post.until_sent(person, 3)
        assert mails[-1]["subject"] == subject
    await people.retry(await cancel_of(people, booked))
    await people.at_rest()


async def test_52_the_same_for_a_seat_in_a_course(people: People, receiver: Receiver) -> None:
    place = await active(people)
    await people.dispute(place.intent)
    await leave(people, place)
    await receiver.until_taken(place.id, "enrollment.active", "enrollment.cancelled", "refund.failed")


async def test_53_a_refund_that_fails_again_and_again_is_told_as_paid_once_and_as_failed_once(
    people: People, receiver: Receiver
) -> None:
    booked = await cancelled(people)
    await receiver.until_taken(booked.booking, *SOLD, "refund.paid")
    for _ in range(3):
        await fail_by_the_bank(people, booked.intent)
    case = await until_parked(people, booked.student)
    await receiver.until_taken(booked.booking, *SOLD, "refund.paid", "refund.failed")
    await people.retry(case)
    await people.until_state(case, "REFUNDED")
    await receiver.until_taken(booked.booking, *SOLD, "refund.paid", "refund.failed", "refund.paid")


async def test_53_a_refund_that_is_made_good_at_once_is_told_once(people: People, receiver: Receiver) -> None:
    booked = await cancelled(people)
    await receiver.until_taken(booked.booking, *SOLD, "refund.paid")
    await fail_by_the_bank(people, booked.intent)
    await people.at_rest()
    await fail_by_the_bank(people, booked.intent)
    await people.at_rest()
    await receiver.until_taken(booked.booking, *SOLD, "refund.paid")


async def test_53_a_refund_by_hand_that_the_bank_returns_is_told(people: People, receiver: Receiver) -> None:
    booked = await sold(people)
    await people.refund_by_hand(booked.intent, 2000)
    await receiver.until_taken(booked.booking, "booking.confirmed", "refund.paid")
    await fail_by_the_bank(people, booked.intent)
    await receiver.until_taken(booked.booking, "booking.confirmed", "refund.paid", "refund.failed")
    assert receiver.about(booked.booking)[-1]["data"]["refund"]["amountMinor"] == 2000


async def test_53_a_refund_that_fails_before_it_was_ever_paid_is_told_as_failed_alone(
    people: People, receiver: Receiver
) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, *SOLD, "refund.failed")
    await people.until_state(await cancel_of(people, booked), "PARKED")
