"""Links in GraphQL and REST: who gets one, until when, and where its page may lead."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.payment.pages.conftest import PUBLIC_URL, RETURNS
from tests.people import People, lesson_time

RETURN_FIELDS = "$return: String, $cancel: String"
BOOK = f"""mutation($tutor: ID!, $time: AWSDateTime!, {RETURN_FIELDS}) {{
    bookSession(tutorId: $tutor, time: $time, returnUrl: $return, cancelUrl: $cancel) {{
        checkoutUrl paymentIntentId sagaId booking {{ id checkoutUrl }} userErrors {{ code }} }} }}"""
ENROLL = f"""mutation($course: ID!, {RETURN_FIELDS}) {{
    enrollInCourse(courseId: $course, returnUrl: $return, cancelUrl: $cancel) {{
        checkoutUrl paymentIntentId sagaId enrollment {{ id checkoutUrl }} userErrors {{ code }} }} }}"""
BOOKING = "query($id: ID!) { booking(id: $id) { checkoutUrl payment { id } } }"
GIVEN = {"return": RETURNS["return_url"], "cancel": RETURNS["cancel_url"]}


async def ask(people: People, role: str, who: UUID, query: str, **variables: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {people.world.token(role, subject=who)}"}
    body = {"query": query, "variables": variables}
    answer = await people.http.post(f"{people.world.bff_url}/graphql", json=body, headers=headers)
    return dict(answer.json())


async def rest(people: People, role: str, who: UUID, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {people.world.token(role, subject=who)}"}
    return await people.http.request(method, people.world.bff_url + path, json=body, headers=headers)


def order(tutor: UUID, student: UUID, **more: Any) -> dict[str, Any]:
    start = lesson_time()
    times = {"start_time": start.isoformat(), "end_time": start.replace(hour=11).isoformat()}
    return {"student_uuid": str(student), "instructor_uuid": str(tutor), "course_uuid": None, **times, **more}


async def test_a_lesson_has_a_link_for_its_student_until_it_is_paid(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    made = await ask(people, "student", student, BOOK, tutor=str(tutor), time=lesson_time().isoformat(), **GIVEN)
    payload = made["data"]["bookSession"]
    url, booking = payload["checkoutUrl"], payload["booking"]["id"]
    assert url == payload["booking"]["checkoutUrl"]
    assert url.startswith(f"{PUBLIC_URL}/checkout/")

    async def seen(role: str, who: UUID) -> Any:
        return (await ask(people, role, who, BOOKING, id=booking))["data"]["booking"]["checkoutUrl"]

    assert await seen("student", student) == url
    assert await seen("tutor", tutor) is None
    told = await rest(people, "student", student, "GET", f"/api/v1/bookings/{booking}")
    assert told.json()["data"]["payment_url"] == url
    told = await rest(people, "tutor", tutor, "GET", f"/api/v1/bookings/{booking}")
    assert told.json()["data"]["payment_url"] is None
    await people.pay(payload["paymentIntentId"])
    await people.until_state(payload["sagaId"], "COMPLETED")
    assert await seen("student", student) is None


async def test_a_seat_has_a_link_too(people: People) -> None:
    student, course = uuid4(), (await people.course()).id
    payload = (await ask(people, "student", student, ENROLL, course=course, **GIVEN))["data"]["enrollInCourse"]
    assert payload["checkoutUrl"] == payload["enrollment"]["checkoutUrl"]
    told = await rest(people, "student", student, "GET", f"/api/v1/enrollments/{payload['enrollment']['id']}")
    assert told.json()["data"]["payment_url"] == payload["checkoutUrl"] != ""


async def test_orders_of_rest_lead_back_too(people: People) -> None:
    student, course = uuid4(), (await people.course()).id
    booked = await rest(
        people, "student", student, "POST", "/api/v1/bookings", order(await people.tutor(), student, **RETURNS)
    )
    seat = {"student_uuid": str(student), "course_uuid": course, **RETURNS}
    enrolled = await rest(people, "student", student, "POST", "/api/v1/enrollments", seat)
    kept = "select context ->> 'return_url' as a, context ->> 'cancel_url' as b from saga where booking_id = $1"
    for answer in (booked, enrolled):
        data = answer.json()["data"]
        assert data["payment_url"].startswith(f"{PUBLIC_URL}/checkout/")
        ((*pages,),) = await people.world.sql("payment", kept, UUID(data["uuid"]))
        assert pages == [RETURNS["return_url"], RETURNS["cancel_url"]]


@pytest.mark.parametrize(("name", "field"), [("return", "returnUrl"), ("cancel", "cancelUrl")])
async def test_graphql_names_the_page_that_it_refuses(people: People, name: str, field: str) -> None:
    student, tutor, course = uuid4(), await people.tutor(), (await people.course()).id
    for given in ("https://evil.example", "javascript:alert(1)", ""):
        orders = ((BOOK, {"tutor": str(tutor), "time": lesson_time().isoformat()}), (ENROLL, {"course": course}))
        for query, more in orders:
            (error,) = (await ask(people, "student", student, query, **more, **{name: given}))["errors"]
            assert (error["extensions"]["code"], error["message"].startswith(f"{field}: ")) == ("BAD_USER_INPUT", True)
            assert given == "" or given not in error["message"]


@pytest.mark.parametrize("field", ["return_url", "cancel_url"])
async def test_rest_names_the_page_that_it_refuses(people: People, field: str) -> None:
    student, evil = uuid4(), {field: "https://app.example.org@evil.example"}
    course = {"student_uuid": str(student), "course_uuid": (await people.course()).id, **evil}
    for path, body in (("bookings", order(await people.tutor(), student, **evil)), ("enrollments", course)):
        answer = await rest(people, "student", student, "POST", f"/api/v1/{path}", body)
        assert (answer.status_code, answer.json()["error"]["field"]) in ((400, field), (422, field))


async def test_a_provider_without_a_page_gets_none_of_ours(people: People) -> None:
    """Our page takes no payment of theirs; it only tells how the booking stands."""
    student, service = uuid4(), uuid4()
    body = order(await people.tutor(), student, payment_engine="placeholder")
    answer = await rest(people, "service", service, "POST", "/api/v1/bookings", body)
    assert answer.json()["data"]["payment_url"] is None
