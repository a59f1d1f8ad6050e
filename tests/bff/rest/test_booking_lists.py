"""GET /api/v1/bookings, over a whole mesh, and what it asks of the peers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.bff.rest.conftest import BOOKINGS
from tests.people import People, lesson_time, wait_until


async def list_pages(person: Any, **query: Any) -> list[str]:
    """The ids of all pages."""
    page = await person.data("GET", BOOKINGS, params=query)
    seen = list(page["bookings"])
    while page["has_next_page"]:
        page = await person.data("GET", BOOKINGS, params=query | {"after": page["end_cursor"]})
        seen += page["bookings"]
    return [booking["uuid"] for booking in seen]


async def test_a_person_pages_through_bookings_by_role_time_order_and_status(people: People, someone: Any) -> None:
    tutor, student = await people.tutor(), someone("student")
    starts = [lesson_time(day) for day in (5, 3, 4)]
    made = [(await student.book(tutor, start))["uuid"] for start in starts]
    by_start = [made[1], made[2], made[0]]
    assert await list_pages(student, first=2) == made[::-1]
    assert await list_pages(student, first=1, order="start_asc") == by_start
    assert await list_pages(student, first=2, order="START_DESC") == by_start[::-1]
    assert await list_pages(student, role="tutor") == []
    assert await list_pages(someone("tutor", tutor), role="tutor", order="start_asc") == by_start
    within = {"from": starts[2].isoformat(), "to": starts[0].isoformat()}
    assert await list_pages(student, **within) == [made[2]]
    assert await list_pages(student, status="confirmed") == []
    assert await list_pages(student, status="payment_required", role="student") == made[::-1]


async def test_an_admin_and_a_service_name_the_person(people: People, someone: Any) -> None:
    tutor, student = await people.tutor(), someone("student")
    made = (await student.book(tutor, lesson_time(3)))["uuid"]
    for machine in (someone("admin"), someone("service")):
        assert await list_pages(machine, student_uuid=str(student.id)) == [made]
        assert await list_pages(machine, instructor_uuid=str(tutor), role="tutor") == [made]
        assert await list_pages(machine, student_uuid=str(tutor)) == []
        assert await list_pages(machine) == []
    assert await list_pages(student, student_uuid=str(student.id)) == [made]
    refused = await someone("student").refused("GET", BOOKINGS, params={"student_uuid": str(student.id)})
    assert refused == (403, "FORBIDDEN")


async def test_a_listed_booking_is_as_it_is_alone(people: People, someone: Any) -> None:
    student = someone("student")
    made = await student.book(await people.tutor(), lesson_time(3))
    await people.pay(made["payment_session_id"])
    path = f"{BOOKINGS}/{made['uuid']}"
    seen = await wait_until(lambda: student.data("GET", path), lambda booking: booking["status"] == "confirmed")
    listed = (await student.data("GET", BOOKINGS))["bookings"]
    assert listed == [seen]
    assert seen["hold_expires_at"] is None and seen["meeting_link"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "paid"}, "status"),
        ({"role": "admin"}, "role"),
        ({"order": "newest"}, "order"),
        ({"first": "0"}, "first"),
        ({"first": "101"}, "first"),
        ({"first": "x"}, "first"),
        ({"after": "2"}, "after"),
        ({"from": "monday"}, "from"),
        ({"from": "2030-01-02T00:00Z", "to": "2030-01-01T00:00Z"}, "to"),
        ({"student_uuid": "1"}, "student_uuid"),
        ({"student_uuid": str(uuid4()), "instructor_uuid": str(uuid4())}, "instructor_uuid"),
        ({"student_uuid": str(uuid4()), "role": "tutor"}, "role"),
    ],
)
async def test_a_bad_parameter_is_named(someone: Any, query: dict[str, str], field: str) -> None:
    assert await someone("admin").refused_field("GET", BOOKINGS, params=query) == field


async def test_a_cursor_of_another_order_is_refused(people: People, someone: Any) -> None:
    student, tutor = someone("student"), await people.tutor()
    for day in (3, 4):
        await student.book(tutor, lesson_time(day))
    cursor = (await student.data("GET", BOOKINGS, params={"first": 1, "order": "start_asc"}))["end_cursor"]
    assert await student.refused_field("GET", BOOKINGS, params={"after": cursor}) == "after"
    again = await student.data("GET", BOOKINGS, params={"after": cursor, "order": "start_asc"})
    assert len(again["bookings"]) == 1 and not again["has_next_page"]
