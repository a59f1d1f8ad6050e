"""What leaving a course would give back: the quote, and the token that holds it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from mesh.errors import NotFound, Refusal
from tests.learners import (
    Enrolled,
    active,
    enrolled,
    leave,
    let_time_pass_since_it_was_paid,
    quote,
    refunded,
)
from tests.people import People, lesson_time


async def test_a_quote_follows_the_policy_and_its_token_holds_it(people: People) -> None:
    place = await active(people)
    early = await quote(people, place.id, place.student)
    assert (early.percent, early.refund.amount_minor, early.refund.currency) == (100, 5000, "USD")
    assert early.rule == "within 336 h of the payment: 100 %"
    await let_time_pass_since_it_was_paid(people, place, 400)
    late = await quote(people, place.id, place.student)
    assert (late.percent, late.refund.amount_minor) == (0, 0)
    assert late.rule == "more than 336 h after the payment: 0 %"
    assert (await leave(people, place, quote_token=early.token)).refund.amount_minor == 5000
    await people.at_rest()
    assert await refunded(people, place) == [5000]
    with pytest.raises(Refusal) as refused:
        await quote(people, place.id, place.student)
    assert refused.value.reason == "NOT_CANCELLABLE"


async def test_what_was_quoted_before_the_payment_does_not_hold_after_it(people: People) -> None:
    place = await enrolled(people)
    unpaid = await quote(people, place.id, place.student)
    assert (unpaid.refund.amount_minor, unpaid.rule) == (0, "nothing has been paid")
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    await must_be_refused(people, place, unpaid.token)


async def test_a_quote_is_for_one_person_and_one_enrollment(people: People) -> None:
    place, other = await active(people), await active(people)
    theirs = await quote(people, place.id, place.instructor, "tutor")
    assert (theirs.percent, theirs.rule) == (100, "cancelled by the instructor or the platform: 100 %")
    own = await quote(people, place.id, place.student)
    lesson = await people.booked(await people.tutor(), lesson_time())
    of_lesson = await people.quote(lesson)
    for token in (theirs.token, of_lesson.token, own.token[:-2], "x", "."):
        await must_be_refused(people, place, token)
    await must_be_refused(people, other, own.token)
    for id in (place.id, lesson.booking, str(uuid4())):
        with pytest.raises(NotFound):
            await quote(people, id, uuid4())
    with pytest.raises(NotFound):  # a booking is no enrollment, whoever asks
        await quote(people, lesson.booking, lesson.student)


async def must_be_refused(people: People, place: Enrolled, token: str) -> None:
    with pytest.raises(Refusal) as refused:
        await leave(people, place, quote_token=token)
    assert refused.value.reason == "QUOTE_EXPIRED"
