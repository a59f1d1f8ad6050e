"""Working hours as instants, without a database."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from availability_svc import hours
from availability_svc.domain import Offer, Schedule, Span, Window, WorkingHours
from availability_svc.schedules import free_slots
from mesh.money import Money

MANY = 150 if os.environ.get("FULL") else 40

NEW_YORK = ZoneInfo("America/New_York")
ZONES = (
    "America/New_York Europe/Berlin Australia/Lord_Howe Asia/Kathmandu Africa/Casablanca Pacific/Chatham"
    " America/Sao_Paulo Asia/Gaza Pacific/Apia America/Scoresbysund Antarctica/Troll UTC"
).split()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def week(*windows: tuple[int, int]) -> tuple[Window, ...]:
    return tuple(sorted({Window(start, end) for start, end in windows}))


def every_day(start: int, end: int) -> tuple[Window, ...]:
    """The same hours each day, in whole hours."""
    return week(*((day * 1440 + start * 60, day * 1440 + end * 60) for day in range(7)))


def schedule(
    windows: tuple[Window, ...],
    zone: str = "America/New_York",
    notice: int = 0,
    buffer: int = 0,
    start_every: int = 15,
    days_ahead: int = 10_000,
) -> Schedule:
    offer = Offer(start_every=start_every, days_ahead=days_ahead)
    return Schedule(uuid.uuid4(), WorkingHours(zone, windows), notice, buffer, Money(5000, "USD"), offer)


def day_of(day: date, zone: ZoneInfo = NEW_YORK) -> Span:
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    end = datetime.combine(day + DAY, datetime.min.time(), tzinfo=zone)
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def starts(plan: Schedule, within: Span, minutes: int = 60, busy: tuple[Span, ...] = ()) -> list[datetime]:
    return [slot.start for slot in free_slots(plan, busy, within, minutes * MINUTE, LONG_AGO)]


def local(instants: list[datetime], zone: ZoneInfo = NEW_YORK) -> list[str]:
    return [instant.astimezone(zone).strftime("%H:%M") for instant in instants]


def works_at(plan: WorkingHours, instant: datetime) -> bool:
    """The definition: the local wall-clock lies in a window."""
    wall = instant.astimezone(ZoneInfo(plan.timezone))
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    return any(window.start <= minute < window.end for window in plan.windows)


def changes(zone: str, year: int) -> list[datetime]:
    """The days of a year on which the zone's clocks change."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + DAY * number for number in range(365)]
    place = ZoneInfo(zone)
    return [day for day in days if day.astimezone(place).utcoffset() != (day + DAY).astimezone(place).utcoffset()]


@st.composite
def plans_and_spans(draw: st.DrawFn) -> tuple[WorkingHours, Span]:
    zone, year = draw(st.sampled_from(ZONES)), draw(st.integers(2024, 2040))
    days = changes(zone, year) or [datetime(year, 6, 1, tzinfo=UTC)]
    start = draw(st.sampled_from(days)) + draw(st.integers(-1500, 1500)) * MINUTE
    span = Span(start, start + draw(st.integers(1, 2000)) * MINUTE)
    minutes = st.integers(0, 10_080)
    pairs = draw(st.lists(st.tuples(minutes, minutes).filter(lambda pair: pair[0] < pair[1]), max_size=12))
    return WorkingHours(zone, week(*pairs)), span


@settings(deadline=None, max_examples=MANY)
@given(plans_and_spans())
def test_working_time_is_exactly_the_instants_whose_wall_clock_lies_in_a_window(case: tuple[WorkingHours, Span]):
    plan, span = case
    found = hours.working_spans(plan, span)
    assert all(earlier.end < later.start for earlier, later in pairwise(found))
    inside = {
        stretch.start + number * MINUTE
        for stretch in found
        for number in range((stretch.end - stretch.start) // MINUTE)
    }
    every_minute = [span.start + number * MINUTE for number in range((span.end - span.start) // MINUTE)]
    assert inside == {instant for instant in every_minute if works_at(plan, instant)}
    assert hours.covers(plan, span) == all(works_at(plan, instant) for instant in every_minute)


@settings(deadline=None, max_examples=MANY)
@given(plans_and_spans(), st.integers(15, 240), st.integers(1, 1440))
def test_every_listed_slot_is_listed_once_and_can_be_claimed_and_no_other_start_can(
    case: tuple[WorkingHours, Span], minutes: int, start_every: int
):
    plan, span = case
    every = start_every * MINUTE
    listed = starts(schedule(plan.windows, plan.timezone, start_every=start_every), span, minutes)
    assert listed == sorted(set(listed))
    possible = [
        span.start + number * MINUTE
        for number in range((span.end - span.start) // MINUTE)
        if hours.is_start(plan, every, span.start + number * MINUTE)
    ]
    assert listed == [start for start in possible if hours.covers(plan, Span(start, start + minutes * MINUTE))]


@settings(deadline=None, max_examples=40)
@given(plans_and_spans(), st.sampled_from((1, 7, 15, 50, 60, 90, 1440)))
def test_starts_are_counted_from_the_first_instant_of_each_window(case: tuple[WorkingHours, Span], start_every: int):
    plan, span = case
    zone = ZoneInfo(plan.timezone)
    instants = [span.start + number * MINUTE for number in range(-8 * 1440, (span.end - span.start) // MINUTE)]
    walls = [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
    monday = walls[0].replace(hour=0, minute=0, second=0) - DAY * walls[0].weekday()
    expected = set()
    for opens, closes in (
        (monday + week * 7 * DAY + window.start * MINUTE, monday + week * 7 * DAY + window.end * MINUTE)
        for week in range(4)
        for window in plan.windows
    ):
        inside = [instant for instant, wall in zip(instants, walls, strict=True) if opens <= wall < closes]
        expected |= {instant for instant in inside if not (instant - inside[0]) // MINUTE % start_every}
    first_week_is_cut = {instant for instant in expected if instant < span.start}
    assert list(hours.starts(plan, start_every * MINUTE, span)) == sorted(expected - first_week_is_cut)


def test_09_nine_to_five_stays_nine_to_five_across_both_changes_in_new_york():
    plan = schedule(every_day(9, 17))
    for day in (date(2027, 3, 13), date(2027, 3, 14), date(2027, 11, 6), date(2027, 11, 7), date(2027, 11, 8)):
        listed = local(starts(plan, day_of(day)))
        assert (listed[0], listed[-1], len(listed)) == ("09:00", "16:00", 29), day


def test_09_the_missing_hour_of_march_holds_no_slot():
    listed = local(starts(schedule(every_day(0, 24)), day_of(date(2027, 3, 14)), 15))
    assert not [time for time in listed if time.startswith("02")]
    assert len(listed) == 23 * 4


def test_09_each_instant_of_the_repeated_hour_of_november_is_listed_once():
    listed = starts(schedule(every_day(0, 24)), day_of(date(2027, 11, 7)), 15)
    assert len(listed) == len(set(listed)) == 25 * 4
    assert local(listed).count("01:30") == 2


def test_a_window_that_begins_in_the_missing_hour_begins_at_its_end():
    monday_to_sunday = week(*((day * 1440 + 150, day * 1440 + 240) for day in range(7)))
    found = hours.working_spans(WorkingHours("America/New_York", monday_to_sunday), day_of(date(2027, 3, 14)))
    assert [local([span.start, span.end]) for span in found] == [["03:00", "04:00"]]


def test_windows_that_touch_over_midnight_and_over_the_weeks_end_are_one():
    plan = WorkingHours("UTC", week((0, 120), (1320, 1440), (1440, 1560), (10_000, 10_080)))
    monday = datetime(2027, 6, 7, tzinfo=UTC)
    assert hours.covers(plan, Span(monday + 23 * HOUR, monday + 25 * HOUR))
    assert hours.covers(plan, Span(monday - 30 * MINUTE, monday + 30 * MINUTE))
    assert not hours.covers(plan, Span(monday + 1 * HOUR, monday + 3 * HOUR))


def test_overlapping_windows_are_merged():
    windows = week((540, 600), (570, 700), (700, 710), (800, 900))
    assert hours.merge_windows(windows) == (Window(540, 710), Window(800, 900))


def test_starts_are_counted_from_the_published_window_in_any_zone():
    kathmandu = ZoneInfo("Asia/Kathmandu")  # UTC+5:45
    plan = schedule(week((550, 640)), "Asia/Kathmandu")  # Monday 09:10–10:40
    listed = starts(plan, day_of(date(2027, 6, 7), kathmandu), 30)
    assert local(listed, kathmandu) == ["09:10", "09:25", "09:40", "09:55", "10:10"]


def test_starts_are_counted_from_each_window_before_windows_are_merged():
    windows = week((540, 600), (600, 700))  # Monday 09:00–10:00 and 10:00–11:40
    listed = starts(schedule(windows, start_every=50), day_of(date(2027, 6, 7)), 50)
    assert local(listed) == ["09:00", "09:50", "10:00", "10:50"]  # 09:50 reaches over the windows' border


def test_overlapping_windows_offer_the_starts_of_both_each_once():
    windows = week((540, 660), (570, 690), (550, 600))  # 09:00–11:00, 09:30–11:30, 09:10–10:00
    listed = starts(schedule(windows, start_every=30), day_of(date(2027, 6, 7)), 60)
    assert local(listed) == ["09:00", "09:10", "09:30", "09:40", "10:00", "10:30"]


@pytest.mark.parametrize("every", [1, 5, 60])
def test_a_hundred_overlapping_windows_cost_no_more_than_the_starts_they_offer(
    every: int, monkeypatch: pytest.MonkeyPatch
):
    """Each instant is looked at once, whichever windows it lies in, also on the days of the clocks' changes."""
    looks, is_open = Counter[datetime](), hours._Opened.is_open

    def count_and_ask(window: Any, instant: datetime) -> bool:
        looks[instant] += 1
        return is_open(window, instant)

    monkeypatch.setattr(hours._Opened, "is_open", count_and_ask)
    overlapping = week(*((8640 + number, 10_080) for number in range(100)))  # Sundays, nearly all day
    for day in (date(2027, 3, 14), date(2027, 6, 6), date(2027, 11, 7)):
        found = list(hours.starts(WorkingHours("America/New_York", overlapping), every * MINUTE, day_of(day)))
        assert found == sorted(set(found))
        assert set(looks.values()) == {1}
        looks.clear()


def test_a_grid_goes_on_in_elapsed_time_over_a_change_of_clocks_and_begins_anew_the_next_day():
    listed = local(starts(schedule(every_day(0, 24), start_every=120), day_of(date(2027, 3, 14)), 60))
    assert listed[:4] == ["00:00", "03:00", "05:00", "07:00"]  # 02:00 is missing
    assert local(starts(schedule(every_day(0, 24), start_every=120), day_of(date(2027, 3, 15)), 60))[1] == "02:00"


def test_a_window_that_begins_in_the_missing_hour_starts_its_grid_at_the_gaps_end():
    windows = week(*((day * 1440 + 150, day * 1440 + 300) for day in range(7)))  # 02:30–05:00
    assert local(starts(schedule(windows, start_every=60), day_of(date(2027, 3, 14)), 60)) == ["03:00", "04:00"]
    assert local(starts(schedule(windows, start_every=60), day_of(date(2027, 3, 15)), 60)) == ["02:30", "03:30"]


def test_the_last_start_is_as_many_days_ahead_as_the_tutor_says():
    day = day_of(date(2027, 6, 7))
    plan = schedule(every_day(9, 13), days_ahead=1)
    listed = [slot.start for slot in free_slots(plan, (), day, HOUR, day.start - 14 * HOUR)]
    assert local(listed) == ["09:00", "09:15", "09:30", "09:45", "10:00"]


@pytest.mark.parametrize("minutes", [15, 60, 240])
def test_pages_that_touch_hold_every_slot_once_wherever_they_are_cut(minutes: int):
    """A tutor in New York, listed by the days of Tokyo: each of them ends in the middle of the tutor's."""
    plan, tokyo = schedule(every_day(5, 24)), ZoneInfo("Asia/Tokyo")
    days = [day_of(date(2027, 3, 12) + number * DAY, tokyo) for number in range(4)]  # the clock changes on the 14th
    paged = [start for day in days for start in starts(plan, day, minutes)]
    assert paged == starts(plan, Span(days[0].start, days[-1].end), minutes)
    taken = Span(days[1].end - 30 * MINUTE, days[1].end + 30 * MINUTE)
    before = starts(plan, days[1], minutes, (taken,))
    assert before[-1] == taken.start - minutes * MINUTE


def test_a_slot_needs_free_time_for_itself_and_the_buffer_behind_it():
    day = day_of(date(2027, 6, 7))
    taken = Span(day.start + 11 * HOUR, day.start + 12 * HOUR + 10 * MINUTE)  # a lesson and its buffer
    listed = local(starts(schedule(every_day(9, 14), buffer=10), day, 60, (taken,)))
    assert listed == ["09:00", "09:15", "09:30", "09:45", "12:15", "12:30", "12:45", "13:00"]


def test_nothing_is_listed_in_the_past_nor_inside_the_notice():
    day = day_of(date(2027, 6, 7))
    now = day.start + 10 * HOUR + 1 * MINUTE
    plan = schedule(every_day(9, 13), notice=60)
    listed = [slot.start for slot in free_slots(plan, (), day, HOUR, now)]
    assert local(listed) == ["11:15", "11:30", "11:45", "12:00"]
    assert list(free_slots(plan, (), day, HOUR, day.end)) == []


def test_a_slot_that_begins_exactly_at_the_end_of_the_notice_is_listed_and_one_that_begins_now_is_not():
    day = day_of(date(2027, 6, 7))
    now = day.start + 10 * HOUR
    assert (
        local([slot.start for slot in free_slots(schedule(every_day(9, 13), notice=60), (), day, HOUR, now)])[0]
        == "11:00"
    )
    assert local([slot.start for slot in free_slots(schedule(every_day(9, 13)), (), day, HOUR, now)])[0] == "10:15"
