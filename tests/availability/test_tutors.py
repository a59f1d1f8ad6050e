"""ListTutors: the tutors whom pages may list, in pages, each with the soonest free time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from availability_svc.domain import Offer, Schedule, Span, Window, WorkingHours
from availability_svc.limits import Terms
from availability_svc.tutors import FRESH_SECONDS, Tutors, soonest_free
from mesh.money import Money
from tests.availability.conftest import TIMEOUT
from tests.statements import sent_by
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.common.v1.money_pb2 import Money as WireMoney

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = tuple(Window(day * 1440, (day + 1) * 1440) for day in range(7))
NOW = datetime(2030, 1, 7, tzinfo=UTC)  # a Monday


@pytest_asyncio.fixture(autouse=True)
async def alone(desk: Any) -> AsyncIterator[None]:
    """A list without the tutors of other tests."""
    await desk.sql("delete from schedule")
    yield


async def page(desk: Any, size: int = 0, token: str = "", stub: Any = None) -> pb2.ListTutorsResponse:
    request = pb2.ListTutorsRequest(page_size=size, page_token=token)
    return await (stub or desk.bff).ListTutors(request, timeout=TIMEOUT)


async def ids(desk: Any) -> list[str]:
    return [tutor.tutor_id for tutor in (await page(desk, 100)).tutors]


async def test_who_is_listed_and_has_hours_is_shown_with_what_was_published(desk: Any):
    tutor = await desk.publish(
        timezone="Asia/Tokyo", display_name="Yuki 雪", rate=WireMoney(amount_minor=6000, currency="JPY")
    )
    await desk.publish(listed=False)
    await desk.publish(weekly=[])
    (shown,) = (await page(desk)).tutors
    assert (shown.tutor_id, shown.display_name, shown.timezone) == (str(tutor), "Yuki 雪", "Asia/Tokyo")
    assert shown.rate == WireMoney(amount_minor=6000, currency="JPY")
    await desk.publish(tutor, listed=False)
    assert await ids(desk) == []


async def test_everybody_may_list_tutors(desk: Any, stub_as: Any, token: Any):
    tutor = await desk.publish()
    for stub in (stub_as("bff"), stub_as("internal"), stub_as("bff", token("student", subject=str(uuid.uuid4())))):
        assert [shown.tutor_id for shown in (await page(desk, stub=stub)).tutors] == [str(tutor)]


async def test_pages_neither_repeat_nor_skip_while_tutors_come_and_go(desk: Any):
    there = sorted([str(await desk.publish()) for _ in range(5)])
    seen = await page(desk, 2)
    assert [tutor.tutor_id for tutor in seen.tutors] == there[:2]
    assert (len(seen.cursors), seen.next_page_token) == (2, seen.cursors[-1])
    await desk.publish(uuid.UUID(there[1]), listed=False)  # the one that the cursor names
    behind = await page(desk, 100, seen.cursors[-1])
    assert ([tutor.tutor_id for tutor in behind.tutors], behind.next_page_token) == (there[2:], "")
    assert [tutor.tutor_id for tutor in (await page(desk, 1, seen.cursors[0])).tutors] == [there[2]]


@pytest.mark.parametrize("request_", [{"page_size": 101}, {"page_size": -1}, {"page_token": "x"}])
async def test_a_page_that_cannot_be_names_its_field(desk: Any, reason: Any, request_: dict[str, Any]):
    assert await reason(desk.bff.ListTutors(pb2.ListTutorsRequest(**request_), timeout=TIMEOUT)) == "BAD_USER_INPUT"


async def test_the_next_free_time_is_the_first_of_the_listed_slots(desk: Any):
    tutors = [
        await desk.publish(buffer_minutes=10),
        await desk.publish(minimum_notice_minutes=3 * 1440, timezone="America/New_York"),
        await desk.publish(weekly=[(pb2.WEEKDAY_MONDAY, "09:00", "09:20")], start_every_minutes=20),
        await desk.publish(minimum_notice_minutes=20 * 1440),
    ]
    now = datetime.now(UTC)
    first = next(iter(await desk.slots(tutors[0], now, now + DAY, minutes=15)))
    await desk.hold(tutors[0], first, minutes=60)
    await desk.block(tutors[1], (now.replace(second=0, microsecond=0), now.replace(second=0, microsecond=0) + 5 * DAY))
    shown = {tutor.tutor_id: tutor for tutor in (await page(desk)).tutors}
    for tutor in tutors:
        slots = await desk.slots(tutor, now, now + 14 * DAY, minutes=15)
        found = shown[str(tutor)]
        told = found.next_free_time.ToDatetime(tzinfo=UTC) if found.HasField("next_free_time") else None
        assert told == (slots[0] if slots else None)
    assert not shown[str(tutors[3])].HasField("next_free_time")


async def test_a_page_costs_two_reads_and_a_repeat_of_it_one(desk: Any, terms: Terms, database: Any):
    clock = [0.0]
    tutors = Tutors(database, terms, clock=lambda: clock[0])
    tutor, *_ = [await desk.publish() for _ in range(7)]

    async def reads() -> int:
        with sent_by(database) as sent:
            assert len(await tutors.list_page(None, 100)) == 7
            await asyncio.sleep(0)  # the driver tells of a statement in the next step of the loop
        return sum("from claim" in statement or "from clock" in statement for statement in sent.statements)

    assert (await reads(), await reads()) == (2, 1)
    await desk.publish(tutor, buffer_minutes=5)  # another schedule: its free time is read again
    assert (await reads(), await reads()) == (2, 1)
    clock[0] += FRESH_SECONDS
    assert await reads() == 2


async def test_a_time_that_was_remembered_is_not_told_once_it_is_over(desk: Any, terms: Terms, database: Any):
    tutors = Tutors(database, terms, clock=lambda: 0.0)
    await desk.publish(start_every_minutes=1)
    ((first,),) = [await tutors.list_page(None, 1)]
    tutors._answers[first.schedule.tutor_id] = type(tutors._answers[first.schedule.tutor_id])(
        first.schedule, datetime.now(UTC) - MINUTE, 0.0
    )
    ((again,),) = [await tutors.list_page(None, 1)]
    assert again.next_free is not None and again.next_free > datetime.now(UTC)


async def test_a_list_of_many_tutors_reads_a_page_from_the_index(desk: Any):
    await desk.sql(
        "insert into schedule (tutor_id, timezone, weekly, notice_minutes, buffer_minutes, rate_minor, currency)"
        " select gen_random_uuid(), 'UTC', '[]', 0, 0, 0, 'USD' from generate_series(1, 5000)"
    )
    for _ in range(3):
        await desk.publish()
    await desk.sql("analyze schedule")
    plan = "\n".join(
        row[0]
        for row in await desk.sql(
            "explain select * from schedule s where s.listed and s.weekly <> '[]' and s.tutor_id > :after"
            " order by s.tutor_id limit 21",
            after=uuid.uuid4(),
        )
    )
    assert "schedule_listed" in plan, plan
    assert len((await page(desk)).tutors) == 3
    await desk.sql("delete from schedule")


def schedule(**changes: Any) -> Schedule:
    values = {"tutor_id": uuid.uuid4(), "hours": WorkingHours("UTC", WEEK), "notice": 0, "buffer": 0}
    return Schedule(**values | {"rate": Money(5000, "USD")} | changes)


@pytest.mark.parametrize(
    ("changes", "busy", "expected"),
    [
        ({}, [], 15 * MINUTE),
        ({}, [Span(NOW - HOUR, NOW + HOUR)], HOUR),
        ({"buffer": 20}, [Span(NOW + HOUR, NOW + 2 * HOUR)], 15 * MINUTE),
        ({"buffer": 40}, [Span(NOW + HOUR, NOW + 2 * HOUR)], 2 * HOUR),
        ({}, [Span(NOW, NOW + 14 * DAY)], None),
        ({"notice": 15 * 1440}, [], None),
        ({"offer": Offer(days_ahead=1)}, [Span(NOW, NOW + 2 * DAY)], None),
        ({"hours": WorkingHours("UTC", ())}, [], None),
        ({"offer": Offer(start_every=1)}, [Span(NOW, NOW + 14 * DAY)], None),  # more than MOST_STARTS are taken
        # 15 minutes at a rate of 1.00 USD cost too little to be charged; 30 minutes do not
        ({"rate": Money(100, "USD"), "hours": WorkingHours("UTC", (Window(0, 25),))}, [], None),
        ({"rate": Money(100, "USD"), "hours": WorkingHours("UTC", (Window(15, 45),))}, [], 15 * MINUTE),
        ({"rate": Money(0, "USD")}, [], 15 * MINUTE),
        ({"rate": Money(100_000_000, "USD")}, [], 15 * MINUTE),
        ({"rate": Money(100_000_000, "USD"), "offer": Offer(shortest=120)}, [], None),  # dearer than can be charged
    ],
)
def test_the_soonest_free_time_by_hand(changes: dict[str, Any], busy: list[Span], expected: timedelta | None):
    assert soonest_free(schedule(**changes), busy, NOW) == (expected and NOW + expected)


@pytest.mark.parametrize("minor", [*range(0, 400, 7), 3000, 12_000, 99_999_999, 2**31 - 1])
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "HUF"])
def test_the_shortest_length_sold_is_the_first_that_is_sold(minor: int, currency: str):
    tried = schedule(rate=Money(minor, currency))
    assert tried.shortest_sold == next((minutes for minutes in range(15, 241) if tried.is_sold(minutes)), None)
