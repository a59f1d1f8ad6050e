"""Who may do what at REST: one table of routes, walked by everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from bff.rest.routes import OPERATIONS
from tests.people import People, lesson_time
from tests.rest.conftest import BOOKINGS, wish

OTHERS = ("student", "other student", "tutor", "other tutor", "admin", "service", "nobody")
AVAILABILITY = "/api/v1/instructors/{tutor}/availability"
#: Route → what it answers to each of OTHERS: a student and a tutor of one booking, strangers, and the rest.
TABLE = {
    "POST /api/v1/bookings": (201, 403, 403, 403, 403, 201, 401),
    "GET /api/v1/bookings/{booking}": (200, 404, 200, 404, 200, 200, 401),
    "POST /api/v1/bookings/{booking}/cancel": (200, 404, 200, 404, 200, 200, 401),
    f"GET {AVAILABILITY}": (200, 200, 200, 200, 200, 200, 401),
    f"POST {AVAILABILITY}/block": (403, 403, 201, 404, 201, 201, 401),
    f"DELETE {AVAILABILITY}/block/{{block}}": (403, 403, 200, 404, 200, 200, 401),
    "POST /payment/create-intent": (200, 404, 403, 403, 403, 200, 401),
}
CODES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND"}


@dataclass(frozen=True)
class Scene:
    """A booking that awaits its payment, a block of its tutor's, and everybody there is."""

    who: dict[str, Any]
    booking: str
    block: str
    tutor: UUID

    def path(self, template: str) -> str:
        return template.format(booking=self.booking, block=self.block, tutor=self.tutor)

    def body(self, route: str, number: int) -> Any:
        """What to send; each who blocks time takes an hour of their own."""
        free = {"start_time": lesson_time(20, number).isoformat(), "end_time": lesson_time(20, number + 1).isoformat()}
        return {
            "POST /api/v1/bookings": wish(self.who["student"].id, self.tutor, lesson_time(3)),
            f"POST {AVAILABILITY}/block": {"blocks": [free]},
            "POST /payment/create-intent": {"bookingId": self.booking, "amount": "50", "currency": "USD"},
        }.get(route)


@pytest_asyncio.fixture
async def scene(people: People, someone: Any) -> Scene:
    tutor = await people.tutor()
    who = {name: someone(name.removeprefix("other ")) for name in OTHERS if name != "nobody"}
    who |= {"tutor": someone("tutor", tutor), "nobody": someone("")}
    made = await who["student"].book(tutor, lesson_time(3))
    body = {"blocks": [{"start_time": lesson_time(9).isoformat(), "end_time": lesson_time(9, 11).isoformat()}]}
    (block,) = (await who["tutor"].data("POST", f"{AVAILABILITY.format(tutor=tutor)}/block", body))["blocks"]
    return Scene(who, made["uuid"], block["uuid"], tutor)


@pytest.mark.parametrize("route", TABLE)
async def test_a_route_answers_each_as_the_table_says(scene: Scene, route: str) -> None:
    method, _, template = route.partition(" ")
    day = {"from": "2030-01-01T00:00Z", "to": "2030-01-02T00:00Z"} if method == "GET" else None
    got = {}
    for number, who in enumerate(OTHERS):
        answer = await scene.who[who].ask(method, scene.path(template), scene.body(route, number), params=day)
        got[who] = answer.status_code
        assert answer.json().get("error", {}).get("code") == CODES.get(answer.status_code), answer.text
        assert answer.is_success or scene.booking not in answer.text
        assert answer.status_code != 401 or answer.headers["www-authenticate"] == "Bearer"
    assert got == dict(zip(OTHERS, TABLE[route], strict=True))


def test_the_table_has_every_route() -> None:
    known = {route.replace("{tutor}", "{uuid}").replace("{booking}", "{uuid}") for route in TABLE}
    known = {route.replace("{block}", "{blockUuid}") for route in known}
    assert known == {f"{operation.method} {operation.path}" for operation in OPERATIONS}


async def test_a_tutor_never_sees_a_client_secret(scene: Scene) -> None:
    for who in ("tutor", "admin", "other student"):
        for route in TABLE:
            method, _, template = route.partition(" ")
            if method == "GET":
                answer = await scene.who[who].ask(method, scene.path(template))
                assert "_secret_" not in answer.text


async def test_a_person_who_is_student_and_tutor_may_do_what_either_may(people: People, someone: Any) -> None:
    both, start = uuid4(), lesson_time(5)
    await someone("student", both).book(await people.tutor(), start)
    body = {"blocks": [{"start_time": start.isoformat(), "end_time": lesson_time(5, 11).isoformat()}]}
    path = f"{AVAILABILITY.format(tutor=both)}/block"
    assert await someone("tutor", both).refused("POST", path, body) == (409, "SLOT_TAKEN")  # they have a lesson then


async def test_a_price_is_not_the_admins_to_name_nor_the_tutors(people: People, someone: Any) -> None:
    tutor = await people.tutor()
    for role in ("admin", "tutor"):
        body = wish(uuid4(), tutor, lesson_time(6), price_amount="1.00")
        assert await someone(role).refused("POST", BOOKINGS, body) == (403, "FORBIDDEN")
