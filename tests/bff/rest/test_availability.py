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
