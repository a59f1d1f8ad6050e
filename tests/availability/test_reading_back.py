"""What a tutor has published and blocked is read back: GetSchedule, ListBlocks."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from mesh import cursors
from mesh.errors import BadInput
from tests.availability.conftest import TIMEOUT, WEEKDAYS
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.common.v1.money_pb2 import Money

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def schedule(desk: Any, tutor: uuid.UUID, stub: Any = None) -> pb2.Schedule:
    request = pb2.GetScheduleRequest(tutor_id=str(tutor))
    return (await (stub or desk.bff).GetSchedule(request, timeout=TIMEOUT)).schedule


async def blocks(desk: Any, tutor: uuid.UUID, size: int = 0, token: str = "", stub: Any = None) -> Any:
    request = pb2.ListBlocksRequest(tutor_id=str(tutor), page_size=size, page_token=token)
    return await (stub or desk.bff).ListBlocks(request, timeout=TIMEOUT)


async def test_a_schedule_is_read_back_as_publishing_it_answered(desk: Any):
    request = pb2.PublishAvailabilityRequest(
        tutor_id=str(uuid.uuid4()),
        timezone="Asia/Kathmandu",
        weekly=[pb2.WeeklyWindow(weekday=day, start="09:10", end="24:00") for day in WEEKDAYS],
        minimum_notice_minutes=7,
        buffer_minutes=8,
        rate=Money(amount_minor=5000, currency="USD"),
        maximum_days_ahead=12,
        display_name="Anaïs Müller-Ōe 🎓",
        listed=False,
    )
    published = (await desk.bff.PublishAvailability(request, timeout=TIMEOUT)).schedule
    assert (published.display_name, published.listed) == ("Anaïs Müller-Ōe 🎓", False)
    assert await schedule(desk, uuid.UUID(request.tutor_id)) == published


async def test_the_last_schedule_counts_whole_its_name_too(desk: Any):
    tutor = await desk.publish(display_name="Jonas", listed=False)
    await desk.publish(tutor)
    found = await schedule(desk, tutor)
    assert (found.display_name, found.HasField("listed"), found.listed) == ("", True, True)


async def test_a_publisher_that_knows_no_names_keeps_the_one_that_is_stored(desk: Any):
    """A replica of the version before names only its own columns."""
    tutor = await desk.publish(display_name="Jonas", listed=False)
    columns = "tutor_id, timezone, weekly, notice_minutes, buffer_minutes, rate_minor, currency"
    insert = f"insert into schedule ({columns}) values (:id, 'UTC', '[]', 0, 0, 0, 'USD')"
    await desk.sql(f"{insert} on conflict (tutor_id) do update set rate_minor = 0", id=tutor)
    found = await schedule(desk, tutor)
    assert (found.display_name, found.listed) == ("Jonas", False)
    other = uuid.uuid4()
    await desk.sql(insert, id=other)
    found = await schedule(desk, other)
    assert (found.display_name, found.listed) == ("", True)


async def test_nothing_published_is_no_schedule(desk: Any, monday: datetime, reason: Any):
    tutor = uuid.uuid4()
    await desk.block(tutor, (monday, monday + HOUR))
    assert await reason(schedule(desk, tutor)) == "TUTOR_NOT_FOUND"


@pytest.mark.parametrize(
    "name",
    [
        "x" * 80,
        "語" * 80,
        "Dr. Ōe, M.Sc. {when} <b>&amp;",
        "علی\u200cرضا",  # a zero-width non-joiner is part of Persian names
        "👩\u200d🏫",
        " Nora ",
    ],
)
async def test_a_name_is_told_as_it_was_given(desk: Any, name: str):
    assert (await schedule(desk, await desk.publish(display_name=name))).display_name == name


@pytest.mark.parametrize(
    "name",
    [
        "x" * 81,
        "Nora\r\nBcc: all@example.com",
        "Nora\n",
        "tab\there",
        "nul\x00",
        "\x1b[31mred",
        "delete\x7f",
        "next\x85line",
        "line\u2028end",
        "paragraph\u2029end",
        "turned\u202ereverse",
        "isolated\u2067text",
        " ",
        "\u200b\u200d",
    ],
)
async def test_a_name_that_cannot_stand_in_a_line_is_refused(desk: Any, name: str):
    with pytest.raises(BadInput) as refusal:
        await desk.publish(display_name=name)
    assert refusal.value.field == "display_name"


@pytest.mark.parametrize("name", ["x" * 81, "a\nb", "a\x7f", "a\x85", "a\u2028"])
async def test_the_schema_itself_refuses_such_names(desk: Any, name: str):
    tutor = await desk.publish()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await desk.sql("update schedule set display_name = :name where tutor_id = :id", name=name, id=tutor)


async def test_a_hold_tells_the_name_and_the_zone_that_the_tutor_has_now(desk: Any, monday: datetime):
    tutor, student, saga = await desk.publish(display_name="Jonas"), uuid.uuid4(), uuid.uuid4()
    held = await desk.hold(tutor, monday, student, saga)
    assert (held.tutor_name, held.tutor_timezone) == ("Jonas", "UTC")
    await desk.publish(tutor, display_name="Jonas Weber", timezone="Europe/Vienna")
    held = await desk.hold(tutor, monday, student, saga)
    assert (held.tutor_name, held.tutor_timezone) == ("Jonas Weber", "Europe/Vienna")


async def test_blocks_are_listed_soonest_first_with_their_reasons(desk: Any, monday: datetime):
    tutor, now = uuid.uuid4(), datetime.now(UTC).replace(second=0, microsecond=0)
    request = pb2.BlockTimeRequest(tutor_id=str(tutor))
    for start, reason in ((monday + DAY, "dentist"), (monday, ""), (now - HOUR, "has begun")):
        request.blocks.add(start=start, end=start + 2 * HOUR, reason=reason)
    made = (await desk.bff.BlockTime(request, timeout=TIMEOUT)).blocks
    assert [block.reason for block in made] == ["dentist", "", "has begun"]
    page = await blocks(desk, tutor)
    assert list(page.blocks) == list(reversed(made))
    assert (page.next_page_token, len(page.cursors)) == ("", 3)


async def test_what_is_removed_or_over_is_listed_no_more(desk: Any, monday: datetime):
    tutor = uuid.uuid4()
    removed, over, left = await desk.block(tutor, *[(monday + n * DAY, monday + n * DAY + HOUR) for n in range(3)])
    await desk.remove(tutor, removed.id)
    ended = "update block set start_at = clock_timestamp() - interval '1 h', end_at = clock_timestamp() where id = :id"
    await desk.sql(ended, id=over.id)
    assert [block.id for block in (await blocks(desk, tutor)).blocks] == [left.id]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
async def test_pages_hold_every_block_once_also_when_others_come_and_go(desk: Any, monday: datetime, size: int):
    tutor = uuid.uuid4()
    starts = [monday + n * HOUR for n in range(12)]
    random.Random(size).shuffle(starts)
    made = await desk.block(tutor, *[(start, start + 30 * MINUTE) for start in starts])
    await desk.block(uuid.uuid4(), (monday, monday + HOUR))  # another tutor's
    wanted = [block.id for block in sorted(made, key=lambda block: block.start.seconds)]
    found, token, pages = [], "", 0
    while token or not pages:
        page = await blocks(desk, tutor, size, token)
        found += [block.id for block in page.blocks]
        if not pages:  # behind the cursor, and before it: neither moves a page
            await desk.block(tutor, (monday - HOUR, monday))
            await desk.remove(tutor, page.blocks[0].id)
        token, pages = page.next_page_token, pages + 1
        assert pages <= 13
    assert found == wanted
    assert pages == -(-12 // size)


async def test_every_cursor_is_a_place_to_go_on_from(desk: Any, monday: datetime):
    tutor = uuid.uuid4()
    await desk.block(tutor, *[(monday + n * HOUR, monday + (n + 1) * HOUR) for n in range(4)])
    page = await blocks(desk, tutor)
    for place, cursor in enumerate(page.cursors, 1):
        assert list((await blocks(desk, tutor, token=cursor)).blocks) == list(page.blocks[place:])


@pytest.mark.parametrize("size", [-1, 101, 2**31 - 1])
async def test_a_page_of_no_size_is_refused(desk: Any, size: int):
    with pytest.raises(BadInput) as refusal:
        await blocks(desk, uuid.uuid4(), size)
    assert refusal.value.field == "page_size"


@pytest.mark.parametrize("cursor", ["x", "=", "é", "a" * 5000, cursors.encode_id(uuid.UUID(int=1))])
async def test_a_token_of_another_list_is_refused(desk: Any, cursor: str):
    with pytest.raises(BadInput) as refusal:
        await blocks(desk, uuid.uuid4(), token=cursor)
    assert refusal.value.field == "page_token"


async def test_a_person_reads_their_own_calendar_alone(desk: Any, stub_as: Any, token: Any, reason: Any):
    tutor = await desk.publish()
    for role, subject in (("tutor", uuid.uuid4()), ("student", uuid.uuid4())):
        stranger = stub_as("bff", token(role, subject=subject))
        assert await reason(schedule(desk, tutor, stranger)) == "FORBIDDEN"
        assert await reason(blocks(desk, tutor, stub=stranger)) == "FORBIDDEN"
    for role, subject in (("tutor", tutor), ("admin", uuid.uuid4()), ("service", uuid.uuid4())):
        reader = stub_as("bff", token(role, subject=subject))
        assert (await schedule(desk, tutor, reader)).tutor_id == str(tutor)
        assert list((await blocks(desk, tutor, stub=reader)).blocks) == []
