"""Which lessons a tutor offers: lengths, starts, days ahead. What is listed is what can be held."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mesh.errors import BadInput
from mesh.statements import text
from tests.availability.conftest import TIMEOUT
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.common.v1.money_pb2 import Money

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MORNING = [(pb2.WEEKDAY_MONDAY, "09:10", "10:00"), (pb2.WEEKDAY_MONDAY, "10:00", "12:00")]


async def test_a_schedule_that_says_nothing_gets_the_usual_offer_and_reads_it_back(desk: Any):
    request = pb2.PublishAvailabilityRequest(
        tutor_id=str(uuid.uuid4()), timezone="UTC", rate=Money(amount_minor=5000, currency="USD")
    )
    published = (await desk.bff.PublishAvailability(request, timeout=TIMEOUT)).schedule
    assert (published.shortest_lesson_minutes, published.longest_lesson_minutes) == (15, 240)
    assert (published.start_every_minutes, published.maximum_days_ahead) == (15, 365)


async def test_a_schedule_is_read_back_as_it_was_published(desk: Any):
    windows = [*MORNING, (pb2.WEEKDAY_SUNDAY, "00:00", "24:00"), (pb2.WEEKDAY_SUNDAY, "10:00", "11:00")]
    request = pb2.PublishAvailabilityRequest(
        tutor_id=str(uuid.uuid4()),
        timezone="Asia/Kathmandu",
        weekly=[pb2.WeeklyWindow(weekday=day, start=start, end=end) for day, start, end in windows],
        minimum_notice_minutes=7,
        buffer_minutes=8,
        rate=Money(amount_minor=5000, currency="USD"),
        shortest_lesson_minutes=9,
        longest_lesson_minutes=10,
        start_every_minutes=11,
        maximum_days_ahead=12,
        display_name="Jonas",
        listed=False,
    )
    published = (await desk.bff.PublishAvailability(request, timeout=TIMEOUT)).schedule
    for field in pb2.Schedule.DESCRIPTOR.fields:
        assert getattr(published, field.name) == getattr(request, field.name), field.name


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"shortest_lesson_minutes": 0}, "shortest_lesson_minutes"),
        ({"shortest_lesson_minutes": -1}, "shortest_lesson_minutes"),
        ({"shortest_lesson_minutes": 1441}, "shortest_lesson_minutes"),
        ({"longest_lesson_minutes": 14}, "longest_lesson_minutes"),
        ({"longest_lesson_minutes": 1441}, "longest_lesson_minutes"),
        ({"shortest_lesson_minutes": 50, "longest_lesson_minutes": 49}, "longest_lesson_minutes"),
        ({"start_every_minutes": 0}, "start_every_minutes"),
        ({"start_every_minutes": 1441}, "start_every_minutes"),
        ({"maximum_days_ahead": 0}, "maximum_days_ahead"),
        ({"maximum_days_ahead": 3651}, "maximum_days_ahead"),
    ],
)
async def test_an_offer_that_cannot_be_made_names_the_field(desk: Any, changes: dict[str, int], field: str):
    with pytest.raises(BadInput) as refusal:
        await desk.publish(**changes)
    assert refusal.value.field == field


async def test_the_shortest_lesson_may_be_longer_than_the_usual_longest(desk: Any, monday: datetime, reason: Any):
    tutor = await desk.publish(shortest_lesson_minutes=300)
    await desk.hold(tutor, monday, minutes=300)
    assert await reason(desk.hold(tutor, monday + 6 * HOUR, minutes=301)) == "LENGTH_NOT_OFFERED"


@pytest.mark.parametrize("minutes", [15, 16, 50, 239, 240])
async def test_a_lesson_of_any_offered_whole_minute_is_listed_and_held(desk: Any, monday: datetime, minutes: int):
    tutor = await desk.publish()
    (first, *_) = await desk.slots(tutor, monday, monday + DAY, minutes)
    await desk.hold(tutor, first, minutes=minutes)


@pytest.mark.parametrize("minutes", [1, 14, 241, 1440])
async def test_a_lesson_of_another_length_is_neither_listed_nor_held(
    desk: Any, monday: datetime, reason: Any, minutes: int
):
    tutor = await desk.publish()
    assert await desk.slots(tutor, monday, monday + 2 * DAY, minutes) == []
    assert await reason(desk.hold(tutor, monday, minutes=minutes)) == "LENGTH_NOT_OFFERED"


@pytest.mark.parametrize(
    ("rate", "minutes", "held"),
    [(1, 30, False), (1, 31, True), (2, 15, False), (2, 16, True), (0, 15, True), (0, 240, True)],
)
async def test_a_lesson_that_costs_nothing_is_sold_only_by_a_tutor_who_asks_for_nothing(
    desk: Any, monday: datetime, reason: Any, rate: int, minutes: int, held: bool
):
    """Half-even: 0.5 of a minor unit is 0."""
    tutor = await desk.publish(rate=Money(amount_minor=rate, currency="VND"))
    assert bool(await desk.slots(tutor, monday, monday + DAY, minutes)) is held
    if held:
        await desk.hold(tutor, monday, minutes=minutes)
    else:
        assert await reason(desk.hold(tutor, monday, minutes=minutes)) == "LENGTH_NOT_OFFERED"


async def test_starts_are_counted_from_the_published_window_before_windows_are_merged(
    desk: Any, monday: datetime, reason: Any
):
    tutor = await desk.publish(weekly=MORNING, start_every_minutes=20)
    listed = await desk.slots(tutor, monday, monday + DAY, minutes=45)
    assert listed == [monday + 9 * HOUR + number * MINUTE for number in (10, 30, 50, 60, 80, 100, 120)]
    assert await reason(desk.hold(tutor, monday + 10 * HOUR + 10 * MINUTE, minutes=45)) == "START_NOT_OFFERED"
    await desk.hold(tutor, monday + 9 * HOUR + 50 * MINUTE, minutes=45)


@pytest.mark.parametrize("minute", [1, 7, 14, 16, 29, 59])
async def test_a_start_beside_the_grid_is_refused_at_the_claim(desk: Any, monday: datetime, reason: Any, minute: int):
    tutor = await desk.publish()
    assert await reason(desk.hold(tutor, monday + minute * MINUTE, minutes=15)) == "START_NOT_OFFERED"
    await desk.hold(tutor, monday + 15 * MINUTE, minutes=15)


async def test_a_lesson_may_be_as_many_days_ahead_as_the_tutor_says_and_not_a_minute_more(desk: Any, reason: Any):
    tutor = await desk.publish(maximum_days_ahead=2, start_every_minutes=1)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    assert await reason(desk.hold(tutor, now + 2 * DAY + 2 * MINUTE)) == "TOO_FAR_AHEAD"
    await desk.hold(tutor, now + 2 * DAY - MINUTE)
    listed = await desk.slots(tutor, now + 2 * DAY - 3 * HOUR, now + 3 * DAY, minutes=30)
    assert listed[-1] <= datetime.now(UTC) + 2 * DAY


@pytest.mark.parametrize("year", [2, 100, 6970])
async def test_a_lesson_in_a_far_year_is_too_far_ahead_whatever_the_hours(desk: Any, reason: Any, year: int):
    far = datetime(datetime.now(UTC).year + year, 6, 1, 3, 7, tzinfo=UTC)
    for weekly in (None, [], MORNING):
        tutor = await desk.publish(weekly=weekly)
        assert await reason(desk.hold(tutor, far)) == "TOO_FAR_AHEAD"
        assert await desk.slots(tutor, far, far + 31 * DAY) == []


async def test_a_lapsed_hold_that_is_won_again_is_asked_for_nothing_of_the_offer(desk: Any, monday: datetime):
    tutor, saga, student = await desk.publish(start_every_minutes=1), uuid.uuid4(), uuid.uuid4()
    await desk.hold(tutor, monday + 7 * MINUTE, student, saga, minutes=23)
    await desk.lapse(saga)
    await desk.sql("delete from claim where saga_id = :saga", saga=saga)
    await desk.publish(tutor, shortest_lesson_minutes=60, start_every_minutes=60, maximum_days_ahead=1)
    for hour in (3, 5, 7):  # the student holds all that one may hold meanwhile
        await desk.hold(await desk.publish(), monday + hour * HOUR, student)
    await desk.confirm(saga)
    assert await desk.claims(saga) == [("TUTOR", "CONFIRMED"), ("STUDENT", "CONFIRMED")]


async def test_windows_that_a_replica_of_the_version_before_publishes_count(desk: Any, monday: datetime):
    """It writes the merged windows alone, and knows no offer."""
    tutor = await desk.publish(weekly=MORNING, start_every_minutes=20)
    await desk.sql("update schedule set weekly = '[[605, 700]]' where tutor_id = :tutor", tutor=tutor)
    assert await desk.slots(tutor, monday, monday + DAY, minutes=60) == [
        monday + minute * MINUTE for minute in (605, 625)
    ]
    fresh = uuid.uuid4()
    await desk.sql(
        """insert into schedule (tutor_id, timezone, weekly, notice_minutes, buffer_minutes, rate_minor, currency)
           values (:tutor, 'UTC', '[[545, 635]]', 0, 0, 5000, 'USD')""",
        tutor=fresh,
    )
    assert await desk.slots(fresh, monday, monday + DAY) == [monday + minute * MINUTE for minute in (545, 560, 575)]


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_listed_is_what_can_be_held(desk: Any, reason: Any, seed: int):
    """Every whole minute of some days around a change of clocks is tried: it is held exactly if it was listed."""
    dice, zone = random.Random(seed), dice_zone(seed)
    day = next_change(zone)
    windows = []
    for _ in range(6):
        start = dice.randrange(0, 1380)
        end = min(1440, start + dice.randrange(60, 600))
        windows.append(
            (dice.choice([6, 7, 7, 1]), f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}")
        )
    minutes = dice.choice((30, 50, 55))
    tutor = await desk.publish(
        weekly=windows, timezone=zone.key, start_every_minutes=dice.choice((15, 50, 60, 35)), buffer_minutes=5
    )
    listed = set(await desk.slots(tutor, day - DAY, day + DAY, minutes))
    for number in range(0, 2 * 1440 - minutes, 5):
        start = day - DAY + number * MINUTE
        if start in listed:
            saga = uuid.uuid4()
            await desk.hold(tutor, start, saga=saga, minutes=minutes)
            await desk.release(saga)
        elif number % 25 == 0:
            refused = await reason(desk.hold(tutor, start, minutes=minutes))
            assert refused in ("OUTSIDE_WORKING_HOURS", "START_NOT_OFFERED")
    assert listed


def dice_zone(seed: int) -> ZoneInfo:
    return ZoneInfo(("America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "UTC")[seed])


def next_change(zone: ZoneInfo) -> datetime:
    """The Sunday of a zone's next change of clocks that is at least three days ahead, noon UTC; any Sunday without one."""
    day = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + 3 * DAY
    for _ in range(300):
        if day.astimezone(zone).utcoffset() != (day - DAY).astimezone(zone).utcoffset():
            return day
        day += DAY
    return day - DAY * ((day.weekday() + 1) % 7)


@pytest.mark.parametrize(("days", "listed"), [(2, True), (3, False), (31, False)])
async def test_a_listing_of_too_many_starts_is_refused_with_its_field(
    desk: Any, monday: datetime, days: int, listed: bool
):
    tutor = await desk.publish(start_every_minutes=1)
    if listed:
        assert len(await desk.slots(tutor, monday, monday + days * DAY, minutes=60)) == days * 1440
        return
    with pytest.raises(BadInput) as refusal:
        await desk.slots(tutor, monday, monday + days * DAY, minutes=60)
    assert refusal.value.field == "to"


async def test_31_days_of_quarters_around_the_clock_are_listed(desk: Any, monday: datetime):
    tutor = await desk.publish()
    assert len(await desk.slots(tutor, monday, monday + 31 * DAY, minutes=15)) == 31 * 96


async def test_a_listing_has_a_time_limit_of_its_own_that_ends_with_its_transaction(
    desk: Any, monday: datetime, reason: Any
):
    tutor = await desk.publish()
    before = len(desk.troubles)
    async with desk.database.pool.begin() as slow:
        await slow.execute(text("lock table claim in access exclusive mode"))
        assert await reason(desk.slots(tutor, monday, monday + DAY)) == "TRY_AGAIN"
    assert desk.troubles[before:] == ["57014"]  # query_canceled: by the statement's limit, before the lock's
    del desk.troubles[before:]
    await desk.slots(tutor, monday, monday + DAY)
    limits = {row[0] for _ in range(12) for row in await desk.sql("show statement_timeout")}
    assert limits == {"5s"}


async def test_claims_that_touch_are_one_busy_span(desk: Any, monday: datetime):
    tutor = await desk.publish()
    spans = [(monday + number * MINUTE, monday + (number + 1) * MINUTE) for number in range(100)]
    await desk.block(tutor, *spans)
    await desk.hold(tutor, monday + 105 * MINUTE, minutes=15)
    busy = await desk.busy(tutor, monday - HOUR, monday + DAY)
    assert busy == [(monday, monday + 100 * MINUTE), (monday + 105 * MINUTE, monday + 120 * MINUTE)]


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("update schedule set shortest_minutes = 0", "schedule_lengths_in_range"),
        ("update schedule set longest_minutes = shortest_minutes - 1", "schedule_lengths_in_range"),
        ("update schedule set longest_minutes = 1441", "schedule_lengths_in_range"),
        ("update schedule set start_every_minutes = 0", "schedule_start_every_in_range"),
        ("update schedule set days_ahead = 3651", "schedule_days_ahead_in_range"),
        ("update schedule set windows = '{}'", "schedule_windows_are_a_list"),
    ],
)
async def test_the_schema_refuses_what_cannot_be_offered(desk: Any, statement: str, constraint: str):
    await desk.publish()
    with pytest.raises(Exception, match=constraint):
        async with desk.database.pool.begin() as connection:
            await connection.execute(text(statement))
