"""/api/v1/instructors/{uuid}/availability, as docs/api.md (REST) says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.bff.rest.conftest import BOOKINGS, order
from tests.people import People, lesson_time

HOUR = timedelta(hours=1)


def at(tutor: UUID) -> str:
    return f"/api/v1/instructors/{tutor}/availability"


def blocks(*starts: datetime) -> dict[str, Any]:
    return {
        "blocks": [{"start_time": s.isoformat(), "end_time": (s + HOUR).isoformat(), "reason": "away"} for s in starts]
    }


def zulu(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


async def test_a_tutor_blocks_time_lists_what_is_left_and_gives_it_back(people: People, someone: Any) -> None:
    tutor, student, start = await people.tutor(), someone("student"), lesson_time(3)
    owner = someone("tutor", tutor)
    answer = await owner.ask("POST", f"{at(tutor)}/block", blocks(start + HOUR, start))
    assert answer.status_code == 200
    made = answer.json()["data"]["blocks"]
    assert [set(block) for block in made] == [{"uuid", "start_time", "end_time"}] * 2
    assert [block["start_time"] for block in made] == [zulu(start + HOUR), zulu(start)]
    day = {"from": start.isoformat(), "to": (start + 3 * HOUR).isoformat(), "duration_minutes": "45"}
    free = (await student.data("GET", at(tutor), params=day))["slots"]
    assert [slot["start_time"] for slot in free] == [zulu(start + hours * HOUR) for hours in (2, 2.25, 2.5, 2.75)]
    assert (free[0]["price_amount"], free[0]["currency"]) == ("37.50", "USD")
    busy = order(student.id, tutor, start)
    assert await student.refused("POST", BOOKINGS, busy) == (409, "SLOT_TAKEN")
    for block in made:
        for _ in range(2):  # once removed it stays removed
            assert await owner.data("DELETE", f"{at(tutor)}/block/{block['uuid']}") is None
    assert (await student.book(tutor, start))["status"] == "payment_required"


async def test_a_tutor_reads_their_schedule_back(people: People, someone: Any) -> None:
    tutor = await people.tutor(buffer_minutes=5, display_name="Jonas Weber", listed=False)
    found = await someone("tutor", tutor).data("GET", f"{at(tutor)}/schedule")
    weekly = found.pop("weekly")
    assert [window["weekday"] for window in weekly] == (
        "monday tuesday wednesday thursday friday saturday sunday".split()
    )
    assert weekly[0] == {"weekday": "monday", "start": "00:00", "end": "24:00"}
    assert found == {
        "instructor_uuid": str(tutor),
        "display_name": "Jonas Weber",
        "listed": False,
        "timezone": "UTC",
        "minimum_notice_minutes": 0,
        "buffer_minutes": 5,
        "shortest_lesson_minutes": 15,
        "longest_lesson_minutes": 240,
        "start_every_minutes": 15,
        "maximum_days_ahead": 365,
        "rate_amount": "50.00",
        "currency": "USD",
    }


async def test_no_schedule_is_404_and_no_block_an_empty_page(someone: Any) -> None:
    tutor = uuid4()
    owner = someone("tutor", tutor)
    assert await owner.refused("GET", f"{at(tutor)}/schedule") == (404, "TUTOR_NOT_FOUND")
    empty = {"blocks": [], "has_next_page": False, "end_cursor": None}
    assert await owner.data("GET", f"{at(tutor)}/blocks") == empty


async def test_blocks_are_read_back_page_by_page(someone: Any) -> None:
    tutor, start = uuid4(), lesson_time(7)
    owner, path = someone("tutor", tutor), f"{at(tutor)}/blocks"
    made = (await owner.data("POST", f"{at(tutor)}/block", blocks(start + 2 * HOUR, start, start + HOUR)))["blocks"]
    first = await owner.data("GET", path, params={"first": "2"})
    assert first["blocks"] == [block | {"reason": "away"} for block in (made[1], made[2])]
    assert first["has_next_page"] is True
    last = await owner.data("GET", path, params={"first": "2", "after": first["end_cursor"]})
    assert ([block["uuid"] for block in last["blocks"]], last["has_next_page"]) == ([made[0]["uuid"]], False)
    behind = await owner.data("GET", path, params={"after": last["end_cursor"]})
    assert behind == {"blocks": [], "has_next_page": False, "end_cursor": None}
    await owner.data("DELETE", f"{at(tutor)}/block/{made[1]['uuid']}")
    left = (await owner.data("GET", path))["blocks"]
    assert [block["uuid"] for block in left] == [made[2]["uuid"], made[0]["uuid"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"first": "0"}, "first"),
        ({"first": "101"}, "first"),
        ({"first": "-1"}, "first"),
        ({"first": "two"}, "first"),
        ({"after": "nonsense"}, "after"),
        ({"limit": "5"}, "limit"),
    ],
)
async def test_a_page_that_cannot_be_is_named(someone: Any, query: dict[str, str], field: str) -> None:
    tutor = uuid4()
    assert await someone("tutor", tutor).refused_field("GET", f"{at(tutor)}/blocks", params=query) == field


async def test_all_blocks_are_made_or_none(people: People, someone: Any) -> None:
    tutor, start = await people.tutor(), lesson_time(4)
    await someone("student").book(tutor, start)
    owner = someone("tutor", tutor)
    body = blocks(start + 2 * HOUR, start)
    assert await owner.refused("POST", f"{at(tutor)}/block", body) == (409, "SLOT_TAKEN")
    assert await people.world.sql("availability", "select 1 from block where tutor_id = $1", tutor) == []


async def test_the_same_key_gives_the_same_blocks(someone: Any) -> None:
    tutor, start, key = uuid4(), lesson_time(5), {"headers": {"Idempotency-Key": "once"}}
    owner, path = someone("tutor", tutor), f"{at(tutor)}/block"
    first = await owner.data("POST", path, blocks(start), **key)
    assert await owner.data("POST", path, blocks(start), **key) == first
    assert await owner.refused("POST", path, blocks(start + HOUR), **key) == (409, "IDEMPOTENCY_MISMATCH")
    assert await owner.refused_field("POST", path, blocks(start), headers={"Idempotency-Key": ""}) == "Idempotency-Key"
    admins = await someone("admin").data("POST", path, blocks(start + HOUR), **key)  # a key is its owner's
    assert admins != first


async def test_times_without_offset_are_utc_in_a_query_too(people: People, someone: Any) -> None:
    tutor, start = await people.tutor(), lesson_time(6)
    bare = {"from": f"{start:%Y-%m-%dT%H:%M}", "to": f"{start + HOUR / 4:%Y-%m-%dT%H:%M}"}
    (slot,) = (await someone("student").data("GET", at(tutor), params=bare))["slots"]
    assert slot["start_time"] == zulu(start)
    unescaped = f"{at(tutor)}?from={start.isoformat()}&to={(start + HOUR / 4).isoformat()}"
    assert (await someone("student").data("GET", unescaped))["slots"] == [slot]


async def test_a_tutor_without_hours_is_404(someone: Any) -> None:
    day = {"from": "2030-01-01T00:00Z", "to": "2030-01-02T00:00Z"}
    assert await someone("student").refused("GET", at(uuid4()), params=day) == (404, "TUTOR_NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": None}, "from"),
        ({"to": None}, "to"),
        ({"from": "soon"}, "from"),
        ({"to": "2029-12-31T00:00Z"}, "to"),
        ({"to": "2030-02-02T00:00Z"}, "to"),
        ({"duration_minutes": "0"}, "duration_minutes"),
        ({"duration_minutes": "1441"}, "duration_minutes"),
        ({"duration_minutes": "an hour"}, "duration_minutes"),
        ({"duration_minutes": ""}, "duration_minutes"),
    ],
)
async def test_a_bad_query_parameter_is_named(someone: Any, changes: dict[str, Any], field: str) -> None:
    query = {"from": "2030-01-01T00:00Z", "to": "2030-01-02T00:00Z"} | changes
    given = {name: value for name, value in query.items() if value is not None}
    assert await someone("student").refused_field("GET", at(uuid4()), params=given) == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "blocks"),
        ({"blocks": []}, "blocks"),
        ({"blocks": "all day"}, "blocks"),
        ({"blocks": [7]}, "blocks[0]"),
        ({"blocks": [{"start_time": "2030-01-01T00:00Z"}]}, "blocks[0].end_time"),
        ({"blocks": [{"start_time": "x", "end_time": "2030-01-01T00:00Z"}]}, "blocks[0].start_time"),
        ({"blocks": [{"start_time": "2030-01-01T01:00Z", "end_time": "2030-01-01T00:00Z"}]}, "blocks[0].end_time"),
        (
            {"blocks": [{"start_time": "2030-01-01T00:00Z", "end_time": "2030-01-01T01:00Z", "reason": "x" * 501}]},
            "blocks[0].reason",
        ),
        ({"blocks": [{"start_time": "2030-01-01T00:00Z", "end_time": "2030-01-01T01:00Z"}] * 2}, "blocks[1]"),
        ({"blocks": [{"start_time": "2030-01-01T00:00:30Z", "end_time": "2030-01-01T01:00Z"}]}, "blocks[0].start_time"),
        ({"blocks": [{"start_time": "2030-01-01T00:00Z", "end_time": "2030-01-01T01:00:00.5Z"}]}, "blocks[0].end_time"),
        ({"blocks": [{"start_time": "2020-01-01T00:00Z", "end_time": "2020-01-01T01:00Z"}]}, "blocks[0].end_time"),
    ],
)
async def test_bad_blocks_are_named(someone: Any, body: Any, field: str) -> None:
    tutor = uuid4()
    assert await someone("tutor", tutor).refused_field("POST", f"{at(tutor)}/block", body) == field
