"""/api/v1/courses and /api/v1/enrollments, as docs/api.md (REST) says, over a whole mesh."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.people import People, wait_until

COURSES, ENROLLMENTS = "/api/v1/courses", "/api/v1/enrollments"


def draft(**changes: Any) -> dict[str, Any]:
    return {"title": "Fractions", "price_amount": "50.00", "currency": "usd", "seats": 2} | changes


async def published(tutor: Any, **changes: Any) -> Any:
    made = await tutor.data("POST", COURSES, draft(**changes))
    return await tutor.data("POST", f"{COURSES}/{made['uuid']}/publish")


async def test_a_tutor_makes_and_publishes_a_course_that_everybody_lists(people: People, someone: Any) -> None:
    tutor, student = someone("tutor"), someone("student")
    answer = await tutor.ask("POST", COURSES, draft())
    made = answer.json()["data"]
    path = f"{COURSES}/{made['uuid']}"
    assert (answer.status_code, answer.headers["location"]) == (200, path)
    assert made == {
        "uuid": made["uuid"],
        "title": "Fractions",
        "instructor_uuid": str(tutor.id),
        "price_amount": "50.00",
        "currency": "USD",
        "published": False,
        "seats": 2,
        "seats_taken": 0,
        "created_at": made["created_at"],
    }
    assert await student.refused("GET", path) == (404, "COURSE_NOT_FOUND")
    assert await tutor.data("POST", f"{path}/publish") == made | {"published": True}
    assert await tutor.data("POST", f"{path}/publish", {}) == await student.data("GET", path)


async def test_pages_of_courses_neither_repeat_nor_skip(people: People, someone: Any) -> None:
    tutor, student = someone("tutor"), someone("student")
    made = [(await published(tutor))["uuid"] for _ in range(3)]
    seen, after = [], {}
    for _ in range(3):
        page = await student.data("GET", COURSES, params={"first": "1", **after})
        (course,) = page["courses"]
        seen.append(course["uuid"])
        after = {"after": page["end_cursor"]}
    assert seen == made[::-1]
    for given, field in (({"first": "0"}, "first"), ({"first": "101"}, "first"), ({"after": "x"}, "after")):
        assert await student.refused_field("GET", COURSES, params=given) == field


async def test_a_key_makes_one_course_and_another_body_is_409(people: People, someone: Any) -> None:
    tutor, key = someone("tutor"), {"headers": {"Idempotency-Key": "k1"}}
    made = await tutor.data("POST", COURSES, draft(), **key)
    now = await tutor.data("POST", f"{COURSES}/{made['uuid']}/publish")
    assert await tutor.data("POST", COURSES, draft(price_amount=50), **key) == now
    for other in ({"title": "Roots"}, {"price_amount": "51"}, {"seats": None}):
        assert await tutor.refused("POST", COURSES, draft(**other), **key) == (409, "IDEMPOTENCY_MISMATCH")
    theirs = await someone("tutor").data("POST", COURSES, draft(), **key)
    assert theirs["uuid"] != made["uuid"]
    assert (await tutor.data("POST", COURSES, draft()))["uuid"] != made["uuid"]
    assert await tutor.refused_field("POST", COURSES, draft(), headers={"Idempotency-Key": ""}) == "Idempotency-Key"


async def test_a_service_names_the_instructor_and_a_tutor_only_themselves(people: People, someone: Any) -> None:
    instructor = str(uuid4())
    made = await someone("service").data("POST", COURSES, draft(instructor_uuid=instructor, seats=None))
    assert (made["instructor_uuid"], made["seats"]) == (instructor, None)
    assert await someone("service").refused_field("POST", COURSES, draft()) == "instructor_uuid"
    assert await someone("tutor").refused("POST", COURSES, draft(instructor_uuid=instructor)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "x" * 201),
        ("title", None),
        ("price_amount", "50.001"),
        ("price_amount", "0.10"),
        ("currency", "XXX"),
        ("seats", 0),
        ("seats", 1_000_001),
        ("seats", 10**30),
        ("seats", "2"),
        ("seats", True),
        ("seats", 1.5),
        ("instructor_uuid", "x"),
    ],
)
async def test_a_course_that_cannot_be_names_its_field(people: People, someone: Any, field: str, value: Any) -> None:
    assert await someone("tutor").refused_field("POST", COURSES, draft(**{field: value})) == field


async def test_a_student_enrolls_pays_sees_and_cancels(people: People, someone: Any) -> None:
    tutor, student = someone("tutor"), someone("student")
    course = await published(tutor)
    body = {"student_uuid": str(student.id), "course_uuid": course["uuid"]}
    answer = await student.ask("POST", ENROLLMENTS, body)
    made = answer.json()["data"]
    path = f"{ENROLLMENTS}/{made['uuid']}"
    assert (answer.status_code, answer.headers["location"]) == (200, path)
    assert answer.json()["message"] == "the seat is taken"
    assert (made["status"], made["price_amount"], made["currency"]) == ("payment_required", "50.00", "USD")
    assert (made["student_uuid"], made["course_uuid"]) == (str(student.id), course["uuid"])
    assert made["client_secret"].startswith(made["payment_session_id"]) and made["hold_expires_at"]

    await people.pay(made["payment_session_id"])
    seen = await wait_until(lambda: student.data("GET", path), lambda seat: seat["status"] == "active")
    assert {**seen, "client_secret": 0} == {**made, "status": "active", "hold_expires_at": None, "client_secret": 0}
    assert await tutor.data("GET", path) == {**seen, "payment_session_id": None}
    assert await student.refused("POST", ENROLLMENTS, body) == (409, "ALREADY_ENROLLED")

    cancelled = await student.data("POST", f"{path}/cancel", {"reason": "ill"})
    assert (cancelled["status"], cancelled["refund_amount"], cancelled["refund_currency"]) == (
        "cancelled",
        "50.00",
        "USD",
    )
    assert (await student.data("POST", f"{path}/cancel"))["refund_amount"] == "50.00"
    await people.at_rest()
    ended = await student.data("GET", path)
    assert (ended["refunded_amount"], ended["refund_pending_amount"], ended["refund_state"]) == (
        "50.00",
        "0.00",
        "paid",
    )


async def test_the_same_key_gives_the_same_enrollment_and_other_input_is_409(people: People, someone: Any) -> None:
    tutor, student, key = someone("tutor"), someone("student"), {"headers": {"Idempotency-Key": "k1"}}
    course, other = await published(tutor), await published(tutor)
    body = {"student_uuid": str(student.id), "course_uuid": course["uuid"]}
    first = await student.data("POST", ENROLLMENTS, body, **key)
    assert await student.data("POST", ENROLLMENTS, body, **key) == first
    elsewhere = body | {"course_uuid": other["uuid"]}
    assert await student.refused("POST", ENROLLMENTS, elsewhere, **key) == (409, "IDEMPOTENCY_MISMATCH")
    await student.data("POST", f"{ENROLLMENTS}/{first['uuid']}/cancel")
    ended = await student.ask("POST", ENROLLMENTS, body, **key)
    assert ended.json()["message"] == "the enrollment has ended: cancelled"
    assert (ended.json()["data"]["uuid"], ended.json()["data"]["client_secret"]) == (first["uuid"], None)


async def test_what_a_student_was_shown_must_be_the_price(people: People, someone: Any) -> None:
    tutor, student = someone("tutor"), someone("student")
    course = await published(tutor)
    body = {"student_uuid": str(student.id), "course_uuid": course["uuid"]}
    shown = {"price_amount": "49.00", "currency": "USD"}
    assert await student.refused("POST", ENROLLMENTS, body | shown) == (409, "AMOUNT_MISMATCH")
    assert await student.refused_field("POST", ENROLLMENTS, body | {"price_amount": "50"}) == "currency"
    assert await student.refused_field("POST", ENROLLMENTS, body | {"currency": "USD"}) == "price_amount"
    await student.data("POST", ENROLLMENTS, body | {"price_amount": 50, "currency": "usd"})


async def test_what_cannot_be_enrolled_in_says_why(people: People, someone: Any) -> None:
    tutor, student = someone("tutor"), someone("student")
    full = await published(tutor, seats=1)
    unpublished = await tutor.data("POST", COURSES, draft())

    async def refusal(who: Any, course: str) -> tuple[int, str]:
        body = {"student_uuid": str(who.id), "course_uuid": course}
        return await who.refused("POST", ENROLLMENTS, body)

    other = someone("student")
    await other.data("POST", ENROLLMENTS, {"student_uuid": str(other.id), "course_uuid": full["uuid"]})
    assert await refusal(student, full["uuid"]) == (409, "COURSE_FULL")
    assert await refusal(student, unpublished["uuid"]) == (409, "COURSE_NOT_PUBLISHED")
    assert await refusal(student, str(uuid4())) == (404, "COURSE_NOT_FOUND")
    path = f"{ENROLLMENTS}/{uuid4()}"
    assert await student.refused("GET", path) == (404, "NOT_FOUND")
    assert await student.refused("POST", f"{path}/cancel") == (404, "NOT_FOUND")
    assert await student.refused_field("POST", f"{path}/cancel", {"quote_token": ""}) == "quote_token"
    assert await student.refused_field("GET", f"{ENROLLMENTS}/x") == "uuid"


async def test_a_seat_can_be_paid_through_another_provider_that_a_service_names(people: People, someone: Any) -> None:
    tutor, student, service = someone("tutor"), someone("student"), someone("service")
    course = (await published(tutor))["uuid"]
    order = {"student_uuid": str(student.id), "course_uuid": course, "payment_engine": "placeholder"}
    assert (await student.ask("POST", ENROLLMENTS, order)).status_code == 403
    assert await service.refused_field("POST", ENROLLMENTS, order | {"payment_engine": "acme"}) == "payment_engine"
    made = await service.data("POST", ENROLLMENTS, order)
    assert (made["status"], made["client_secret"]) == ("payment_required", None)
    path = f"{ENROLLMENTS}/{made['uuid']}/payment-callback"
    paid = {"payment_reference": "pi_12345", "payment_status": "succeeded", "payment_engine": "placeholder"}
    assert (await student.ask("POST", path, paid)).status_code == 403
    await service.data("POST", path, paid)
    seen = await wait_until(
        lambda: student.data("GET", f"{ENROLLMENTS}/{made['uuid']}"), lambda seat: seat["status"] == "active"
    )
    assert seen["payment_session_id"] == made["payment_session_id"]
