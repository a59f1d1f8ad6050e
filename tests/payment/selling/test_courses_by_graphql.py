"""A course through the front door: made, published, enrolled in, paid, cancelled."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from tests.people import People, wait_until
from tests.world import World

CREATE = """mutation($input: CreateCourseInput!) {
  createCourse(input: $input) { course { id published seatsTaken } userErrors { code } } }"""
PUBLISH = "mutation($id: ID!) { publishCourse(id: $id) { course { published } userErrors { code } } }"
ENROLL = """mutation($id: ID!) { enrollInCourse(courseId: $id) {
  enrollment { id status } paymentIntentId clientSecret userErrors { code field } } }"""
MINE = """{ getMyEnrollments { nodes {
  id status course { title seatsTaken } payment { status context contextId refunded { amountMinor } } } } }"""
CANCEL = """mutation($id: ID!) { cancelEnrollment(enrollmentId: $id, reason: "no time") {
  enrollment { status } refund { amountMinor } userErrors { code } } }"""


async def gql(world: World, role: str, person: object, query: str, **variables: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {world.token(role, subject=person)}"}
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.post(
            f"{world.bff_url}/graphql", json={"query": query, "variables": variables}, headers=headers
        )
    body = answer.json()
    assert "errors" not in body, body
    (told,) = body["data"].values()
    return dict(told)


async def course(world: World, tutor: object, **changed: Any) -> str:
    """A draft of this tutor's."""
    given = {"title": "Fractions", "price": {"amountMinor": 12000, "currency": "EUR"}, "seats": 1} | changed
    made = await gql(world, "tutor", tutor, CREATE, input=given)
    assert (made["course"]["published"], made["userErrors"]) == (False, [])
    return str(made["course"]["id"])


async def test_a_student_enrolls_pays_takes_part_and_leaves(world: World, people: People) -> None:
    tutor, student, other = uuid4(), uuid4(), uuid4()
    taught = await course(world, tutor)
    refused = await gql(world, "student", student, ENROLL, id=taught)
    assert refused["userErrors"] == [{"code": "COURSE_NOT_PUBLISHED", "field": ["courseId"]}]
    assert (await gql(world, "tutor", tutor, PUBLISH, id=taught))["course"] == {"published": True}

    place = await gql(world, "student", student, ENROLL, id=taught)
    assert (place["enrollment"]["status"], place["userErrors"]) == ("PAYMENT_REQUIRED", [])
    assert [e["code"] for e in (await gql(world, "student", other, ENROLL, id=taught))["userErrors"]] == ["COURSE_FULL"]
    await people.pay(place["paymentIntentId"])

    async def mine() -> dict[str, Any]:
        (only,) = (await gql(world, "student", student, MINE))["nodes"]
        return dict(only)

    active = await wait_until(mine, lambda enrollment: enrollment["status"] == "ACTIVE")
    assert active["course"] == {"title": "Fractions", "seatsTaken": 1}
    assert (active["payment"]["status"], active["payment"]["context"]) == ("SUCCEEDED", "COURSE_ENROLLMENT")
    assert active["payment"]["contextId"] == taught

    left = await gql(world, "student", student, CANCEL, id=active["id"])
    assert (left["enrollment"]["status"], left["userErrors"]) == ("CANCELLED", [])
    assert left["refund"]["amountMinor"] == (await mine())["payment"]["refunded"]["amountMinor"]


async def test_a_free_course_is_entered_at_once(world: World, people: People) -> None:
    tutor, student = uuid4(), uuid4()
    taught = await course(world, tutor, price={"amountMinor": 0, "currency": "EUR"}, seats=None)
    await gql(world, "tutor", tutor, PUBLISH, id=taught)
    place = await gql(world, "student", student, ENROLL, id=taught)
    assert (place["enrollment"]["status"], place["clientSecret"]) == ("ACTIVE", None)
