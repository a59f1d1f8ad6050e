"""The zone and the language of an order: checked, kept with the first order, and a part of what a key stands for."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import BadInput, Refusal
from tests.learners import enroll
from tests.people import People, lesson_time

BERLIN = {"timezone": "Europe/Berlin", "locale": "de-DE"}


async def kept(people: People, saga: str) -> dict[str, Any]:
    ask = "select context ->> 'timezone' as timezone, context ->> 'locale' as locale from saga where id = $1"
    ((timezone, locale),) = await people.world.sql("payment", ask, UUID(saga))
    return {"timezone": timezone, "locale": locale}


@pytest.fixture
async def tutor(people: People) -> UUID:
    return await people.tutor()


@pytest.mark.parametrize(("given", "field"), [({"timezone": "Berlin"}, "timezone"), ({"locale": "de_DE"}, "locale")])
async def test_what_is_no_zone_or_language_is_refused(
    people: People, tutor: UUID, given: dict[str, str], field: str
) -> None:
    for order in (people.book(tutor, lesson_time(), **given), enroll(people, str(uuid4()), **given)):
        with pytest.raises(BadInput) as refused:
            await order
        assert refused.value.field == field


async def test_the_first_order_decides(people: People, tutor: UUID) -> None:
    student, start = uuid4(), lesson_time()
    first = await people.book(tutor, start, student, **BERLIN)
    again = await people.book(tutor, start, student, timezone="Asia/Tokyo")
    assert (again.saga_id, await kept(people, first.saga_id)) == (first.saga_id, BERLIN)


@pytest.mark.parametrize("other", [{}, {"timezone": "Asia/Tokyo", "locale": "de-DE"}, {"timezone": "Europe/Berlin"}])
async def test_a_key_stands_for_them_too(people: People, tutor: UUID, other: dict[str, str]) -> None:
    student, start, key = uuid4(), lesson_time(), {"idempotency_key": "k"}
    first = await people.book(tutor, start, student, **key, **BERLIN)
    assert (await people.book(tutor, start, student, **key, **BERLIN)).booking_id == first.booking_id
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, start, student, **key, **other)
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_a_course_keeps_them_too(people: People) -> None:
    course, student = await people.course(), uuid4()
    made = await enroll(people, course.id, student, idempotency_key="k", **BERLIN)
    assert await kept(people, made.saga_id) == BERLIN
    with pytest.raises(Refusal) as refused:
        await enroll(people, course.id, student, idempotency_key="k")
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_an_order_without_them_keeps_none(people: People, tutor: UUID) -> None:
    made = await people.book(tutor, lesson_time())
    assert await kept(people, made.saga_id) == {"timezone": None, "locale": None}
