"""A cancel whose refund the provider refuses, as people see it in GraphQL and REST: one answer, and the truth."""

from __future__ import annotations

import httpx

from tests.learners import active
from tests.payment.faults import sold
from tests.payment.selling.test_courses_by_graphql import gql
from tests.people import People
from tests.world import World

PAYMENT = "payment { status refunded { amountMinor } refundPending { amountMinor } refundState disputed }"
CANCEL = f"""mutation($id: ID!) {{ cancelBooking(bookingId: $id) {{
  booking {{ status {PAYMENT} }} refund {{ amountMinor }} userErrors {{ code retryable }} }} }}"""
CANCEL_SESSION = f"""mutation($id: ID!) {{ cancelSession(sessionId: $id) {{
  booking {{ status {PAYMENT} }} refund {{ amountMinor }} userErrors {{ code retryable }} }} }}"""
LEAVE = f"""mutation($id: ID!) {{ cancelEnrollment(enrollmentId: $id) {{
  enrollment {{ status {PAYMENT} }} refund {{ amountMinor }} userErrors {{ code retryable }} }} }}"""
TRUTH = {
    "status": "SUCCEEDED",
    "refunded": {"amountMinor": 0},
    "refundPending": {"amountMinor": 0},
    "refundState": "NEEDS_REVIEW",
}


async def test_52_a_cancel_by_graphql_has_no_user_errors_however_often(world: World, people: People) -> None:
    booked = await sold(people)
    await people.dispute(booked.intent)
    for _ in range(3):
        told = await gql(world, "student", booked.student, CANCEL, id=booked.booking)
        assert (told["userErrors"], told["refund"]) == ([], {"amountMinor": 5000})
        assert told["booking"]["status"] == "CANCELLED"
        assert told["booking"]["payment"] | {"disputed": True} == TRUTH | {"disputed": True}


async def test_52_a_cancel_by_its_session_and_by_its_tutor_is_told_the_same(world: World, people: People) -> None:
    booked = await sold(people)
    await people.dispute(booked.intent)
    for role, who in (("tutor", booked.tutor), ("student", booked.student)):
        told = await gql(world, role, who, CANCEL_SESSION, id=booked.session)
        assert (told["userErrors"], told["refund"]) == ([], {"amountMinor": 5000})
        assert told["booking"]["payment"] | {"disputed": True} == TRUTH | {"disputed": True}


async def test_52_leaving_a_course_by_graphql_has_no_user_errors_however_often(world: World, people: People) -> None:
    place = await active(people)
    await people.dispute(place.intent)
    for _ in range(2):
        told = await gql(world, "student", place.student, LEAVE, id=place.id)
        assert (told["userErrors"], told["refund"]) == ([], {"amountMinor": 5000})
        assert told["enrollment"]["status"] == "CANCELLED"
        assert told["enrollment"]["payment"] | {"disputed": True} == TRUTH | {"disputed": True}


async def test_52_a_cancel_by_rest_tells_what_is_back_and_how_far_it_is(world: World, people: People) -> None:
    booked = await sold(people)
    await people.dispute(booked.intent)
    url = f"{world.bff_url}/api/v1/bookings/{booked.booking}/cancel"
    headers = {"authorization": f"Bearer {world.token('student', subject=booked.student)}"}
    names = ("status", "refund_amount", "refunded_amount", "refund_pending_amount", "refund_state")
    async with httpx.AsyncClient(timeout=10) as http:
        for _ in range(2):
            told = (await http.post(url, json={}, headers=headers)).raise_for_status().json()["data"]
            assert [told[name] for name in names] == ["cancelled", "50.00", "0.00", "0.00", "needs_review"]
