"""Access rules of REST that the table in tests/access does not hold."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.people import People, lesson_time


async def test_only_the_payer_sees_the_client_secret(people: People, someone: Any) -> None:
    tutor, student, service = await people.tutor(), someone("student"), someone("service")
    made = await student.book(tutor, lesson_time(3))
    secret = made["client_secret"]
    path, live = f"/api/v1/bookings/{made['uuid']}", {"bookingId": made["uuid"], "amount": "50", "currency": "USD"}
    for who in (student, service, someone("tutor", tutor), someone("admin"), someone("student"), someone("")):
        assert secret not in (await who.ask("GET", path)).text
        answer = await who.ask("POST", "/payment/create-intent", live)
        assert (secret in answer.text) == (who in (student, service))


async def test_another_person_learns_nothing_of_a_booking(people: People, someone: Any) -> None:
    made = await someone("student").book(await people.tutor(), lesson_time(4))
    nothing = f"/api/v1/bookings/{uuid4()}"
    for who in (someone("student"), someone("tutor")):
        for method, end in (("GET", ""), ("POST", "/cancel")):
            theirs = await who.ask(method, f"/api/v1/bookings/{made['uuid']}{end}")
            nobodys = await who.ask(method, nothing + end)
            assert (theirs.status_code, theirs.text) == (nobodys.status_code, nobodys.text)


async def test_a_person_who_is_student_and_tutor_is_one_person(people: People, someone: Any) -> None:
    both, start = uuid4(), lesson_time(5)
    await someone("student", both).book(await people.tutor(), start)
    body = {"blocks": [{"start_time": start.isoformat(), "end_time": lesson_time(5, 11).isoformat()}]}
    path = f"/api/v1/instructors/{both}/availability/block"
    assert await someone("tutor", both).refused("POST", path, body) == (409, "SLOT_TAKEN")  # they have a lesson then
