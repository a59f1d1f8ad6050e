"""CONTRACT.md, "Saga states" and what "Exact meanings" says of cancelling, declines, courses and listening."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.bff.live import listening
from tests.contract.outside import BOOK, CANCEL, QUOTE, Outside, Person, lesson_time, until, z

CREATE = "mutation($input: CreateCourseInput!) { createCourse(input: $input) { course { id published } } }"
PUBLISH = "mutation($id: ID!) { publishCourse(id: $id) { course { published instructorId } userErrors { code } } }"
ENROLL = """mutation($id: ID!, $key: String) { enrollInCourse(courseId: $id, idempotencyKey: $key) {
  enrollment { id courseId studentId status payment { id } } clientSecret paymentIntentId sagaId
  userErrors { code retryable }
} }"""
ENROLLMENTS = """{ getMyEnrollments { nodes {
  id courseId status payment { context contextId sessionId status }
} pageInfo { hasNextPage endCursor } } }"""


def in_twelve_hours() -> datetime:
    return (datetime.now(UTC) + timedelta(hours=12)).replace(second=0, microsecond=0)


async def saga(mesh: Outside, id: str) -> dict[str, Any]:
    """As the operator is shown it."""
    return dict(json.loads((await mesh.tutormesh("saga", "show", id, "--json")).out))


async def course(
    mesh: Outside, seats: int | None = None, minor: int = 5000, *, publish: bool = True
) -> tuple[Person, str]:
    """A tutor, and a course of theirs."""
    tutor = mesh.person("tutor")
    given = {"title": "Fractions", "price": {"amountMinor": minor, "currency": "USD"}, "seats": seats}
    made = (await tutor.get(CREATE, input=given))["course"]
    assert made["published"] is False
    if publish:
        told = await tutor.get(PUBLISH, id=made["id"])
        assert told["course"] == {"published": True, "instructorId": tutor.id}
    return tutor, made["id"]


async def test_a_sold_lessons_saga_goes_from_awaiting_payment_to_completed(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    assert (await saga(mesh, made["sagaId"]))["state"] == "AWAITING_PAYMENT"
    await mesh.pay(made)
    await student.until_status(made["booking"]["id"], "CONFIRMED")
    done = await until(lambda: saga(mesh, made["sagaId"]), lambda told: told["is_complete"])
    assert (done["state"], done["booking_id"]) == ("COMPLETED", made["booking"]["id"])


async def test_ids_of_booking_session_and_payment_are_allocated_with_the_saga(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    told = await saga(mesh, made["sagaId"])
    await mesh.pay(made)
    booking = await student.until_status(made["booking"]["id"], "CONFIRMED")
    assert (told["session_id"], told["payment_id"]) == (booking["session"]["id"], booking["payment"]["id"])


async def test_a_refused_slot_ends_its_saga_rejected_and_leaves_no_booking(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    await mesh.person("student").book(tutor, lesson_time())
    assert (await student.refused(BOOK, tutorId=tutor.id, time=z(lesson_time())))["code"] == "SLOT_TAKEN"
    listed = json.loads((await mesh.tutormesh("saga", "list", "--json", "--state", "REJECTED")).out)
    (rejected,) = (one for one in listed if one["student_id"] == student.id)
    assert rejected["is_complete"] is True
    assert (await student.get("{ getMySessions { nodes { id } } }"))["nodes"] == []


async def test_declined_three_times_is_payment_failed_and_the_slot_is_free(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    for card in ("pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclined"):
        declined = await mesh.pay(made, card)
        assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
    ended = await until(lambda: saga(mesh, made["sagaId"]), lambda told: told["is_complete"])
    assert ended["state"] == "PAYMENT_FAILED"
    booking = await student.until_status(made["booking"]["id"], "PAYMENT_FAILED")
    assert booking["payment"]["status"] == "FAILED"
    assert (await mesh.person("student").book(tutor, lesson_time()))["booking"]


async def test_a_declined_attempt_is_not_the_end_and_3d_secure_can_be_passed(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    assert (await mesh.pay(made, "pm_card_chargeDeclined")).status_code == 402
    assert (await mesh.pay(made, "pm_card_authenticationRequired")).json()["status"] == "requires_action"
    (await mesh.stripe("POST", f"/v1/payment_intents/{made['paymentIntentId']}/_authenticate")).raise_for_status()
    assert (await student.until_status(made["booking"]["id"], "CONFIRMED"))["payment"]["status"] == "SUCCEEDED"


async def test_cancelling_before_paying_ends_cancelled_and_closes_the_intent(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    told = await student.get(CANCEL, id=made["booking"]["id"])
    assert (told["booking"]["status"], told["refund"]["amountMinor"]) == ("CANCELLED", 0)
    intent = (await mesh.stripe("GET", f"/v1/payment_intents/{made['paymentIntentId']}")).json()
    assert intent["status"] == "canceled"
    assert (await saga(mesh, made["sagaId"]))["state"] == "CANCELLED"


async def test_a_quote_is_what_is_paid_back_and_the_first_cancel_answers_for_all(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sold(student, tutor, in_twelve_hours())
    quote = await student.get(QUOTE, id=booking["id"])
    assert (quote["percent"], quote["refund"]["amountMinor"], bool(quote["rule"])) == (50, 2500, True)
    lasts = datetime.fromisoformat(quote["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < lasts <= timedelta(minutes=15)
    told = await student.get(CANCEL, id=booking["id"], quote=quote["token"])
    assert (told["booking"]["status"], told["refund"]["amountMinor"]) == ("CANCELLED", 2500)
    assert (await tutor.get(CANCEL, id=booking["id"]))["refund"]["amountMinor"] == 2500
    paid = await until(
        lambda: student.booking(booking["id"]), lambda b: b["payment"]["refunded"]["amountMinor"] == 2500
    )
    assert (paid["payment"]["status"], paid["session"]["status"]) == ("PARTIALLY_REFUNDED", "CANCELLED")


async def test_a_quote_ends_with_any_change_and_binds_its_person(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    quote = (await student.get(QUOTE, id=made["booking"]["id"]))["token"]
    assert (await tutor.refused(CANCEL, id=made["booking"]["id"], quote=quote))["code"] == "QUOTE_EXPIRED"
    await mesh.pay(made)
    await student.until_status(made["booking"]["id"], "CONFIRMED")
    late = await student.refused(CANCEL, id=made["booking"]["id"], quote=quote)
    assert (late["code"], late["retryable"]) == ("QUOTE_EXPIRED", False)


async def test_the_tutor_cancels_a_session_and_everything_goes_back(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sold(student, tutor, in_twelve_hours())
    cancel = "mutation($id: ID!) { cancelSession(sessionId: $id) { booking { status } refund { amountMinor } } }"
    told = await tutor.get(cancel, id=booking["session"]["id"])
    assert (told["booking"]["status"], told["refund"]["amountMinor"]) == ("CANCELLED", 5000)
    paid = await until(lambda: student.booking(booking["id"]), lambda b: b["payment"]["status"] == "REFUNDED")
    listed = json.loads((await mesh.tutormesh("saga", "list", "--json")).out)
    (taken_back,) = (one for one in listed if one["kind"] == "CancelBookingSaga" and one["student_id"] == student.id)
    assert (paid["status"], taken_back["is_complete"]) == ("CANCELLED", True)


async def test_what_has_ended_otherwise_cannot_be_cancelled(mesh: Outside) -> None:
    left = mesh.left_alone
    id = left["made"]["booking"]["id"]
    await left["student"].until_status(id, "EXPIRED")
    assert (await left["student"].refused(CANCEL, id=id))["code"] == "NOT_CANCELLABLE"
    expired = await saga(mesh, left["made"]["sagaId"])
    assert (expired["state"], expired["is_complete"]) == ("EXPIRED", True)


async def test_a_course_is_enrolled_in_paid_and_active(mesh: Outside) -> None:
    student, (_, id) = mesh.person("student"), await course(mesh, seats=2)
    made = await student.get(ENROLL, id=id)
    assert (made["enrollment"]["status"], made["enrollment"]["courseId"]) == ("PAYMENT_REQUIRED", id)
    assert made["clientSecret"].startswith(made["paymentIntentId"])
    assert await student.get(ENROLL, id=id) == made
    assert (await saga(mesh, made["sagaId"]))["kind"] == "EnrollInCourseSaga"
    await mesh.pay(made)
    page = await until(lambda: student.get(ENROLLMENTS), lambda told: told["nodes"][0]["status"] == "ACTIVE")
    payment = {"context": "COURSE_ENROLLMENT", "contextId": id, "sessionId": None, "status": "SUCCEEDED"}
    assert page["nodes"][0] == {"id": made["enrollment"]["id"], "courseId": id, "status": "ACTIVE", "payment": payment}
    assert page["pageInfo"] == {"hasNextPage": False, "endCursor": None}
    assert (await student.get(ENROLL, id=id))["userErrors"] == [{"code": "ALREADY_ENROLLED", "retryable": False}]
    seen = await student.get("query($id: ID!) { course(id: $id) { seats seatsTaken price { display } } }", id=id)
    assert seen == {"seats": 2, "seatsTaken": 1, "price": {"display": "$50.00"}}


async def test_a_course_is_refused_by_name(mesh: Outside) -> None:
    _, draft = await course(mesh, publish=False)
    _, small = await course(mesh, seats=1, minor=0)
    first = await mesh.person("student").get(ENROLL, id=small)
    assert (first["enrollment"]["status"], first["clientSecret"]) == ("ACTIVE", None)
    for id, code in ((draft, "COURSE_NOT_PUBLISHED"), (small, "COURSE_FULL"), (str(uuid4()), "COURSE_NOT_FOUND")):
        refused = await mesh.person("student").get(ENROLL, id=id)
        assert refused["userErrors"] == [{"code": code, "retryable": False}]


async def test_a_lesson_may_belong_to_a_published_course(mesh: Outside) -> None:
    student, tutor, (_, id) = mesh.person("student"), await mesh.tutor(), await course(mesh)
    made = await student.book(tutor, lesson_time(), courseId=id)
    assert made["booking"]["courseId"] == id


async def test_who_listens_to_a_booking_hears_it_as_it_is_and_as_it_becomes(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    async with listening(mesh.layout.address("bff"), tutor.token) as listener:
        await listener.subscribe(made["booking"]["id"])
        assert await listener.status() == "PAYMENT_REQUIRED"
        await mesh.pay(made)
        assert await listener.status() == "CONFIRMED"


async def test_47_neither_a_client_secret_nor_a_token_is_in_any_log(mesh: Outside) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sold(student, tutor, lesson_time())
    await student.get(CANCEL, id=booking["id"])
    said = mesh.said()
    assert "HandleStripeWebhook" in said
    assert [secret for secret in ("_secret_", "whsec_", student.token, tutor.token) if str(secret) in said] == []


async def test_five_subgraphs_tell_their_schema_and_know_users_by_reference(mesh: Outside) -> None:
    async def told(name: str) -> str:
        body = {"query": "{ _service { sdl } }"}
        answer = await mesh.person("student").rest("POST", f"/subgraphs/{name}", body)
        return str(answer.json()["data"]["_service"]["sdl"])

    names = ("bookings", "payments", "sessions", "availability", "learning")
    for sdl in await asyncio.gather(*map(told, names)):
        assert "federation/v2" in sdl
        assert 'type User @key(fields: "id", resolvable: false)' in sdl
