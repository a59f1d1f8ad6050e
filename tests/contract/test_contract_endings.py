"""docs/api.md, "Saga states", and "Exact meanings" about cancels, declines, courses and subscriptions."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.bff.live import listening
from tests.contract.client import BOOK, CANCEL, QUOTE, MeshClient, Person, iso, lesson_time, wait_until

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
    time = datetime.now(UTC) + timedelta(hours=12)
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


async def fetch_saga(mesh: MeshClient, id: str) -> dict[str, Any]:
    """A saga as `tutormesh saga show` prints it."""
    return dict(json.loads((await mesh.tutormesh("saga", "show", id, "--json")).out))


async def make_course(
    mesh: MeshClient, seats: int | None = None, minor: int = 5000, *, publish: bool = True
) -> tuple[Person, str]:
    """Make a course; returns its tutor and its id."""
    tutor = mesh.person("tutor")
    given = {"title": "Fractions", "price": {"amountMinor": minor, "currency": "USD"}, "seats": seats}
    made = (await tutor.get(CREATE, input=given))["course"]
    assert made["published"] is False
    if publish:
        found = await tutor.get(PUBLISH, id=made["id"])
        assert found["course"] == {"published": True, "instructorId": tutor.id}
    return tutor, made["id"]


async def test_a_sold_lessons_saga_goes_from_awaiting_payment_to_completed(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    assert (await fetch_saga(mesh, made["sagaId"]))["state"] == "AWAITING_PAYMENT"
    await mesh.pay(made)
    await student.wait_until_status(made["booking"]["id"], "CONFIRMED")
    done = await wait_until(lambda: fetch_saga(mesh, made["sagaId"]), lambda found: found["is_complete"])
    assert (done["state"], done["booking_id"]) == ("COMPLETED", made["booking"]["id"])


async def test_the_ids_of_booking_session_and_payment_are_allocated_with_the_saga(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    found = await fetch_saga(mesh, made["sagaId"])
    await mesh.pay(made)
    booking = await student.wait_until_status(made["booking"]["id"], "CONFIRMED")
    assert (found["session_id"], found["payment_id"]) == (booking["session"]["id"], booking["payment"]["id"])


async def test_a_refused_slot_ends_its_saga_rejected_and_leaves_no_booking(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    await mesh.person("student").book(tutor, lesson_time())
    assert (await student.user_error(BOOK, tutorId=tutor.id, time=iso(lesson_time())))["code"] == "SLOT_TAKEN"
    listed = json.loads((await mesh.tutormesh("saga", "list", "--json", "--state", "REJECTED")).out)
    (rejected,) = (one for one in listed if one["student_id"] == student.id)
    assert rejected["is_complete"] is True
    assert (await student.get("{ getMySessions { nodes { id } } }"))["nodes"] == []


async def test_three_declines_end_in_payment_failed_and_free_the_slot(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    for card in ("pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclined"):
        declined = await mesh.pay(made, card)
        assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
    ended = await wait_until(lambda: fetch_saga(mesh, made["sagaId"]), lambda found: found["is_complete"])
    assert ended["state"] == "PAYMENT_FAILED"
    booking = await student.wait_until_status(made["booking"]["id"], "PAYMENT_FAILED")
    assert booking["payment"]["status"] == "FAILED"
    assert (await mesh.person("student").book(tutor, lesson_time()))["booking"]


async def test_a_declined_attempt_is_not_the_end_and_3d_secure_can_be_passed(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    assert (await mesh.pay(made, "pm_card_chargeDeclined")).status_code == 402
    assert (await mesh.pay(made, "pm_card_authenticationRequired")).json()["status"] == "requires_action"
    (await mesh.stripe("POST", f"/v1/payment_intents/{made['paymentIntentId']}/_authenticate")).raise_for_status()
    assert (await student.wait_until_status(made["booking"]["id"], "CONFIRMED"))["payment"]["status"] == "SUCCEEDED"


async def test_cancelling_before_paying_ends_cancelled_and_closes_the_intent(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    found = await student.get(CANCEL, id=made["booking"]["id"])
    assert (found["booking"]["status"], found["refund"]["amountMinor"]) == ("CANCELLED", 0)
    intent = (await mesh.stripe("GET", f"/v1/payment_intents/{made['paymentIntentId']}")).json()
    assert intent["status"] == "canceled"
    assert (await fetch_saga(mesh, made["sagaId"]))["state"] == "CANCELLED"


async def test_a_cancel_refunds_exactly_its_quote_and_a_second_cancel_gets_the_same_answer(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sell(student, tutor, in_twelve_hours())
    quote = await student.get(QUOTE, id=booking["id"])
    assert (quote["percent"], quote["refund"]["amountMinor"], bool(quote["rule"])) == (50, 2500, True)
    lasts = datetime.fromisoformat(quote["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < lasts <= timedelta(minutes=15)
    found = await student.get(CANCEL, id=booking["id"], quote=quote["token"])
    assert (found["booking"]["status"], found["refund"]["amountMinor"]) == ("CANCELLED", 2500)
    assert (await tutor.get(CANCEL, id=booking["id"]))["refund"]["amountMinor"] == 2500
    paid = await wait_until(
        lambda: student.booking(booking["id"]), lambda b: b["payment"]["refunded"]["amountMinor"] == 2500
    )
    assert (paid["payment"]["status"], paid["session"]["status"]) == ("PARTIALLY_REFUNDED", "CANCELLED")


async def test_a_quote_expires_with_any_change_and_belongs_to_its_person(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    quote = (await student.get(QUOTE, id=made["booking"]["id"]))["token"]
    assert (await tutor.user_error(CANCEL, id=made["booking"]["id"], quote=quote))["code"] == "QUOTE_EXPIRED"
    await mesh.pay(made)
    await student.wait_until_status(made["booking"]["id"], "CONFIRMED")
    late = await student.user_error(CANCEL, id=made["booking"]["id"], quote=quote)
    assert (late["code"], late["retryable"]) == ("QUOTE_EXPIRED", False)


async def test_a_session_that_its_tutor_cancels_is_refunded_in_full(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sell(student, tutor, in_twelve_hours())
    cancel = "mutation($id: ID!) { cancelSession(sessionId: $id) { booking { status } refund { amountMinor } } }"
    found = await tutor.get(cancel, id=booking["session"]["id"])
    assert (found["booking"]["status"], found["refund"]["amountMinor"]) == ("CANCELLED", 5000)
    paid = await wait_until(lambda: student.booking(booking["id"]), lambda b: b["payment"]["status"] == "REFUNDED")
    listed = json.loads((await mesh.tutormesh("saga", "list", "--json")).out)
    (cancel_saga,) = (one for one in listed if one["kind"] == "CancelBookingSaga" and one["student_id"] == student.id)
    assert (paid["status"], cancel_saga["is_complete"]) == ("CANCELLED", True)


async def test_a_booking_that_has_expired_cannot_be_cancelled(mesh: MeshClient) -> None:
    left = mesh.expiring
    id = left["made"]["booking"]["id"]
    await left["student"].wait_until_status(id, "EXPIRED")
    assert (await left["student"].user_error(CANCEL, id=id))["code"] == "NOT_CANCELLABLE"
    expired = await fetch_saga(mesh, left["made"]["sagaId"])
    assert (expired["state"], expired["is_complete"]) == ("EXPIRED", True)


async def test_an_enrollment_is_active_after_its_payment(mesh: MeshClient) -> None:
    student, (_, id) = mesh.person("student"), await make_course(mesh, seats=2)
    made = await student.get(ENROLL, id=id)
    assert (made["enrollment"]["status"], made["enrollment"]["courseId"]) == ("PAYMENT_REQUIRED", id)
    assert made["clientSecret"].startswith(made["paymentIntentId"])
    assert await student.get(ENROLL, id=id) == made
    assert (await fetch_saga(mesh, made["sagaId"]))["kind"] == "EnrollInCourseSaga"
    await mesh.pay(made)
    page = await wait_until(lambda: student.get(ENROLLMENTS), lambda found: found["nodes"][0]["status"] == "ACTIVE")
    payment = {"context": "COURSE_ENROLLMENT", "contextId": id, "sessionId": None, "status": "SUCCEEDED"}
    assert page["nodes"][0] == {"id": made["enrollment"]["id"], "courseId": id, "status": "ACTIVE", "payment": payment}
    assert page["pageInfo"]["hasNextPage"] is False
    assert (await student.get(ENROLL, id=id))["userErrors"] == [{"code": "ALREADY_ENROLLED", "retryable": False}]
    seen = await student.get("query($id: ID!) { course(id: $id) { seats seatsTaken price { display } } }", id=id)
    assert seen == {"seats": 2, "seatsTaken": 1, "price": {"display": "$50.00"}}


async def test_a_refused_enrollment_names_its_reason(mesh: MeshClient) -> None:
    _, draft = await make_course(mesh, publish=False)
    _, small = await make_course(mesh, seats=1, minor=0)
    first = await mesh.person("student").get(ENROLL, id=small)
    assert (first["enrollment"]["status"], first["clientSecret"]) == ("ACTIVE", None)
    for id, code in ((draft, "COURSE_NOT_PUBLISHED"), (small, "COURSE_FULL"), (str(uuid4()), "COURSE_NOT_FOUND")):
        refused = await mesh.person("student").get(ENROLL, id=id)
        assert refused["userErrors"] == [{"code": code, "retryable": False}]


async def test_a_lesson_may_belong_to_a_published_course(mesh: MeshClient) -> None:
    student, tutor, (_, id) = mesh.person("student"), await mesh.tutor(), await make_course(mesh)
    made = await student.book(tutor, lesson_time(), courseId=id)
    assert made["booking"]["courseId"] == id


async def test_a_subscription_sends_the_present_status_and_each_later_one(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    async with listening(mesh.layout.address("bff"), tutor.token) as listener:
        await listener.subscribe(made["booking"]["id"])
        assert await listener.status() == "PAYMENT_REQUIRED"
        await mesh.pay(made)
        assert await listener.status() == "CONFIRMED"


async def test_47_neither_a_client_secret_nor_a_token_is_in_any_log(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sell(student, tutor, lesson_time())
    await student.get(CANCEL, id=booking["id"])
    said = mesh.read_log()
    assert "HandleStripeWebhook" in said
    assert [secret for secret in ("_secret_", "whsec_", student.token, tutor.token) if str(secret) in said] == []


async def test_five_subgraphs_serve_their_schema_and_know_users_by_reference(mesh: MeshClient) -> None:
    async def fetch_sdl(name: str) -> str:
        body = {"query": "{ _service { sdl } }"}
        answer = await mesh.person("student").rest("POST", f"/subgraphs/{name}", body)
        return str(answer.json()["data"]["_service"]["sdl"])

    names = ("bookings", "payments", "sessions", "availability", "learning")
    for sdl in await asyncio.gather(*map(fetch_sdl, names)):
        assert "federation/v2" in sdl
        assert 'type User @key(fields: "id", resolvable: false)' in sdl
