"""PublishAvailability and ListSlots: a tutor publishes a schedule, and a student sees the free slots of it."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from availability_svc.domain import Offer
from mesh.clock import to_proto
from mesh.currencies import CURRENCIES, MOST_TOLD
from mesh.errors import BadInput
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.common.v1.money_pb2 import Money

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
OFFICE = [(day, "09:00", "17:00") for day in range(1, 8)]


def change_of_clocks(month: int, sunday: int) -> datetime:
    """Local midnight of the Nth Sunday of a month in New York, at least two days ahead and less than a year."""
    ahead = datetime.now(UTC) + 2 * DAY
    for year in (ahead.year, ahead.year + 1):
        first = datetime(year, month, 1, tzinfo=NEW_YORK)
        found = first + DAY * ((6 - first.weekday()) % 7 + 7 * (sunday - 1))
        if found > ahead:
            return found
    raise AssertionError("each year has one")


def listing(start: datetime, end: datetime, **changes: Any) -> pb2.ListSlotsRequest:
    values = {"tutor_id": str(uuid.uuid4()), "to": to_proto(end), "duration_minutes": 60}
    request = pb2.ListSlotsRequest(**(values | changes))
    getattr(request, "from").CopyFrom(to_proto(start))
    return request


async def test_slots_are_listed_every_fifteen_minutes_with_their_price(desk: Any, monday: datetime):
    tutor = await desk.publish(weekly=[(pb2.WEEKDAY_MONDAY, "09:00", "11:00")])
    request = listing(monday, monday + 7 * DAY, tutor_id=str(tutor), duration_minutes=90)
    slots = (await desk.bff.ListSlots(request, timeout=5)).slots
    starts = [slot.start.ToDatetime(tzinfo=UTC) for slot in slots]
    assert starts == [monday + 9 * HOUR + number * 15 * MINUTE for number in range(3)]
    assert {slot.price.amount_minor for slot in slots} == {7500}
    assert slots[0].end.ToDatetime(tzinfo=UTC) == monday + 10.5 * HOUR


async def test_claimed_time_is_not_listed_and_every_listed_slot_can_be_held(desk: Any, monday: datetime):
    tutor = await desk.publish(weekly=[(pb2.WEEKDAY_MONDAY, "09:00", "13:00")], buffer_minutes=10)
    await desk.hold(tutor, monday + 10 * HOUR)
    await desk.block(tutor, (monday + 12 * HOUR, monday + 12.5 * HOUR))
    listed = await desk.slots(tutor, monday, monday + DAY, minutes=30)
    assert listed == [monday + hours * HOUR for hours in (9, 9.25, 11.25, 12.5)]
    for start in (listed[0], listed[2], listed[3]):
        await desk.hold(tutor, start, minutes=30)
    assert await desk.slots(tutor, monday, monday + DAY, minutes=30) == []


@pytest.mark.parametrize(("month", "sunday"), [(3, 2), (11, 1)])
async def test_local_times_stay_across_a_change_of_clocks(desk: Any, month: int, sunday: int):
    tutor = await desk.publish(weekly=OFFICE, timezone="America/New_York")
    midnight = change_of_clocks(month, sunday)
    for day in (-1, 0, 1):
        start, end = midnight + day * DAY, midnight + (day + 1) * DAY
        listed = [slot.astimezone(NEW_YORK).strftime("%H:%M") for slot in await desk.slots(tutor, start, end)]
        assert (listed[0], listed[-1], len(listed)) == ("09:00", "16:00", 29)


async def test_09_every_listed_instant_around_a_change_of_clocks_can_be_claimed_once(desk: Any):
    tutor = await desk.publish(timezone="America/New_York")
    midnight = change_of_clocks(11, 1)
    listed = await desk.slots(tutor, midnight, midnight + DAY, minutes=15)
    assert len(listed) == len(set(listed)) == 100
    repeated = [slot for slot in listed if slot.astimezone(NEW_YORK).hour == 1]
    for start in repeated:
        await desk.hold(tutor, start, minutes=15)
    left = await desk.slots(tutor, midnight, midnight + DAY, minutes=15)
    assert len(repeated) == 8
    assert set(left) == set(listed) - set(repeated)


async def test_an_unknown_tutor_has_no_listing(desk: Any, monday: datetime, reason: Any):
    assert await reason(desk.slots(uuid.uuid4(), monday, monday + DAY)) == "TUTOR_NOT_FOUND"


async def test_a_listing_of_the_past_is_empty(desk: Any, monday: datetime):
    tutor = await desk.publish()
    assert await desk.slots(tutor, monday - 400 * DAY, monday - 370 * DAY) == []


@pytest.mark.parametrize(
    ("length", "changes", "field"),
    [
        (DAY, {"tutor_id": "nobody"}, "tutor_id"),
        (DAY, {"duration_minutes": 0}, "duration_minutes"),
        (DAY, {"duration_minutes": 1441}, "duration_minutes"),
        (timedelta(0), {}, "to"),
        (31 * DAY + MINUTE, {}, "to"),
        (DAY, {"to": None}, "to"),
    ],
)
async def test_a_listing_that_cannot_be_made_names_the_field(
    desk: Any, monday: datetime, length: timedelta, changes: dict[str, Any], field: str
):
    with pytest.raises(BadInput) as refusal:
        await desk.bff.ListSlots(listing(monday, monday + length, **changes), timeout=5)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tutor_id": "nobody"}, "tutor_id"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"weekly": [(0, "09:00", "17:00")]}, "weekly[0].weekday"),
        ({"weekly": [(1, "09:00", "17:00"), (8, "09:00", "17:00")]}, "weekly[1].weekday"),
        ({"weekly": [(1, "9:00", "17:00")]}, "weekly[0].start"),
        ({"weekly": [(1, "24:00", "24:00")]}, "weekly[0].start"),
        ({"weekly": [(1, "09:00", "24:01")]}, "weekly[0].end"),
        ({"weekly": [(1, "09:00", "17:60")]}, "weekly[0].end"),
        ({"weekly": [(1, "09:00", "09:00")]}, "weekly[0].end"),
        ({"weekly": [(1, "09:00", "10:00\n")]}, "weekly[0].end"),
        ({"weekly": [(1, "09:00", "17:00")] * 101}, "weekly"),
        ({"minimum_notice_minutes": -1}, "minimum_notice_minutes"),
        ({"minimum_notice_minutes": 525_601}, "minimum_notice_minutes"),
        ({"buffer_minutes": 1441}, "buffer_minutes"),
        ({"rate": None}, "rate"),
        ({"rate": Money(amount_minor=-1, currency="USD")}, "rate"),
        ({"rate": Money(amount_minor=1, currency="usx")}, "rate"),
        ({"rate": Money(amount_minor=2**31, currency="IDR")}, "rate"),
        ({"rate": Money(amount_minor=2**63 - 1, currency="IDR")}, "rate"),
    ],
)
async def test_a_schedule_that_cannot_be_used_names_the_field(desk: Any, changes: dict[str, Any], field: str):
    with pytest.raises(BadInput) as refusal:
        await desk.publish(**changes)
    assert refusal.value.field == field


@pytest.mark.parametrize("code", ["USD", "JPY", "KWD", "UGX", "ISK", "HUF", "IDR"])
async def test_a_rate_at_which_no_offered_lesson_can_be_paid_for_is_refused(desk: Any, code: str):
    """A rate whose longest lesson rounds below the least amount, and one whose shortest rounds above the most."""
    known, offer = CURRENCIES[code], Offer()
    half = Fraction(known.step, 2)
    cheapest = (known.least - half) * 60 / offer.longest
    await desk.publish(rate=Money(amount_minor=math.floor(cheapest) + 1, currency=code))
    if math.ceil(cheapest) > 1:
        with pytest.raises(BadInput, match="rate: "):
            await desk.publish(rate=Money(amount_minor=math.ceil(cheapest) - 1, currency=code))
    dearest = math.floor((known.most + half) * 60 / offer.shortest)
    if dearest <= MOST_TOLD:
        await desk.publish(rate=Money(amount_minor=dearest - 60, currency=code))
        with pytest.raises(BadInput, match="rate: "):
            await desk.publish(rate=Money(amount_minor=dearest + 60, currency=code))


@pytest.mark.parametrize("code", ["IQD", "LYD", "STN"])
async def test_only_a_free_lesson_has_a_rate_in_a_currency_that_the_provider_does_not_take(desk: Any, code: str):
    await desk.publish(rate=Money(amount_minor=0, currency=code))
    with pytest.raises(BadInput, match="nothing can be charged"):
        await desk.publish(rate=Money(amount_minor=5000, currency=code))


async def test_publishing_again_replaces_and_merges(desk: Any, monday: datetime):
    tutor = await desk.publish()
    weekly = [(1, "09:00", "10:00"), (1, "10:00", "11:00"), (1, "10:30", "11:30"), (7, "23:00", "24:00")]
    await desk.publish(tutor, weekly=weekly)
    await desk.publish(tutor, weekly=weekly)
    rows = await desk.sql("select weekly from schedule where tutor_id = :tutor", tutor=tutor)
    assert [row.weekly for row in rows] == [[[540, 690], [6 * 1440 + 1380, 7 * 1440]]]


async def test_a_person_publishes_only_their_own_hours_and_only_as_a_tutor(
    desk: Any, stub_as: Any, token: Any, reason: Any
):
    tutor = uuid.uuid4()
    request = pb2.PublishAvailabilityRequest(
        tutor_id=str(tutor), timezone="UTC", rate=Money(amount_minor=0, currency="USD")
    )
    for role, subject in (("tutor", uuid.uuid4()), ("student", tutor)):
        stub = stub_as("bff", token(role, subject=subject))
        assert await reason(stub.PublishAvailability(request, timeout=5)) == "FORBIDDEN"
    for role, subject in (("tutor", tutor), ("admin", uuid.uuid4())):
        await stub_as("bff", token(role, subject=subject)).PublishAvailability(request, timeout=5)
