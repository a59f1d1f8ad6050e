"""`tutormesh find`: every id of a purchase leads to its story; the story fits on one screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog

from mesh import logs
from mesh.errors import Refusal
from tests.learners import active
from tests.ops.conftest import Tutormesh
from tests.people import Booked, People, lesson_time

BOOK = (
    """mutation ($tutor: ID!, $time: AWSDateTime!) { bookSession(tutorId: $tutor, time: $time) { booking { id } } }"""
)


async def refunded(people: People) -> Booked:
    """A lesson that was paid and cancelled, with its money back."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    cancelled = await people.cancel(booked)
    await people.until_state(cancelled.saga_id, "REFUNDED")
    return booked


async def ids_of(people: People, booked: Booked) -> dict[str, str]:
    """An id of each kind that leads to this purchase."""
    row = (await people.world.sql("payment", "select * from saga where id = $1", UUID(booked.saga)))[0]
    event = (await people.world.sql("payment", "select id from stripe_event where saga_id = $1", UUID(booked.saga)))[0]
    (refund,) = await people.world.sql(
        "payment", "select id from refund where payment_intent_id = $1", row["payment_intent_id"]
    )
    state = await people.stripe_state()
    charge = next(one for one in state["charges"] if one["payment_intent"] == row["payment_intent_id"])
    return {
        "saga": str(row["id"]),
        "booking": str(row["booking_id"]),
        "session": str(row["session_id"]),
        "payment": str(row["payment_id"]),
        "student": str(row["student_id"]),
        "request": row["request_id"],
        "intent": row["payment_intent_id"],
        "charge": charge["id"],
        "event": event["id"],
        "refund": (await people.refunds_of(row["payment_intent_id"]))[0]["id"],
        "our refund": str(refund["id"]),
    }


async def test_every_id_of_a_purchase_leads_to_its_story(people: People, tutormesh: Tutormesh) -> None:
    booked = await refunded(people)
    for kind, known in (await ids_of(people, booked)).items():
        answer = await tutormesh("find", known)
        assert answer.exit_code == 0, (kind, answer.output)
        assert f"booking {booked.booking}  CANCELLED" in answer.output, kind


async def test_the_story_has_sagas_events_messages_and_money(people: People, tutormesh: Tutormesh) -> None:
    booked = await refunded(people)
    text = (await tutormesh("find", booked.booking)).output
    for part in ("sagas\n", "events\n", "messages\n", "money\n"):
        assert part in text
    assert "BookAndPayForSessionSaga  COMPLETED" in text and "CancelBookingSaga  REFUNDED" in text
    assert "Book     started" in text and "Cancel   cancelled_by" in text
    assert "price $50.00, received $50.00, given back $50.00" in text
    assert "SUCCEEDED  $50.00" in text
    assert len(text.splitlines()) < 50 and max(map(len, text.splitlines())) < 200
    told = json.loads((await tutormesh("find", booked.booking, "--json")).output)
    assert (told["booking"]["status"], told["payment"]["refunded_minor"]) == ("CANCELLED", 5000)
    assert [saga["kind"] for saga in told["sagas"]] == ["BookAndPayForSessionSaga", "CancelBookingSaga"]


async def test_a_seat_of_a_course_has_a_story_too(people: People, tutormesh: Tutormesh) -> None:
    seat = await active(people)
    text = (await tutormesh("find", seat.id)).output
    assert f"enrollment {seat.id}  ACTIVE" in text and f"course {seat.course.id}" in text
    assert f"enrollment {seat.id}" in (await tutormesh("find", seat.intent)).output


async def test_a_student_with_several_purchases_is_listed(people: People, tutormesh: Tutormesh) -> None:
    student, tutor = uuid4(), await people.tutor()
    booked = [await people.book(tutor, lesson_time(hour=hour), student=student) for hour in (9, 11)]
    text = (await tutormesh("find", str(student))).output
    assert all(one.saga_id in text for one in booked) and "several purchases" in text
    listed = json.loads((await tutormesh("saga", "list", "--about", str(student), "--json")).output)
    assert {one["id"] for one in listed} == {one.saga_id for one in booked}
    alone = json.loads((await tutormesh("saga", "list", "--about", booked[0].payment_id, "--json")).output)
    assert [one["id"] for one in alone] == [booked[0].saga_id]
    assert (
        await tutormesh("saga", "list", "--about", booked[0].session_id, "--state", "PARKED")
    ).output == "no sagas\n"


@pytest.mark.parametrize(
    "nobodys", [str(UUID(int=1)), "pi_nobodys", "ch_nobodys", "py_1", "nonsense", "' or 1=1 --", "é" * 255]
)
async def test_an_id_of_nothing_is_said_to_be_so(people: People, tutormesh: Tutormesh, nobodys: str) -> None:
    answer = await tutormesh("find", nobodys)
    assert (answer.exit_code, answer.output) == (1, f"Error: NOT_FOUND: nothing is known of {nobodys}\n")


async def test_an_id_that_is_too_long_is_refused(people: People, tutormesh: Tutormesh) -> None:
    answer = await tutormesh("find", "x" * 256)
    assert answer.exit_code == 1 and "about: must have 0 to 255 characters" in answer.output


async def test_the_request_id_of_an_answer_leads_to_the_story(people: People, tutormesh: Tutormesh) -> None:
    tutor, student, request = await people.tutor(), uuid4(), f"app-{uuid4().hex}"
    async with httpx.AsyncClient(base_url=people.world.bff_url) as http:
        answer = await http.post(
            "/graphql",
            json={"query": BOOK, "variables": {"tutor": str(tutor), "time": lesson_time().isoformat()}},
            headers={
                "Authorization": f"Bearer {people.world.token('student', subject=student)}",
                "X-Request-Id": request,
            },
        )
    booking = answer.json()["data"]["bookSession"]["booking"]["id"]
    assert f"booking {booking}" in (await tutormesh("find", answer.headers["X-Request-Id"])).output


@pytest.fixture
def json_lines(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log lines of the mesh since the test began, as JSON."""
    before = structlog.get_config()
    logs.configure("mesh", "json")
    with (tmp_path / "mesh.log").open("w") as file:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file), cache_logger_on_first_use=False)

        def read() -> list[dict[str, Any]]:
            file.flush()
            return [json.loads(line) for line in (tmp_path / "mesh.log").read_text().splitlines()]

        yield read
    structlog.contextvars.unbind_contextvars("service")
    structlog.configure(**before)


#: The RPCs by which a lesson is sold, each with its service.
SELLING = (
    "PaymentService/BookSession",
    "AvailabilityService/HoldSlot",
    "BookingService/CreateBooking",
    "PaymentService/HandleStripeWebhook",
    "AvailabilityService/ConfirmSlot",
    "SessionService/CreateConfirmedSession",
    "BookingService/ConfirmBooking",
)


async def test_every_services_lines_about_a_sale_name_its_booking_and_saga(
    people: People, json_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    tutor, student = await people.tutor(), uuid4()
    async with httpx.AsyncClient(base_url=people.world.bff_url) as http:
        answer = await http.post(
            "/graphql",
            json={"query": BOOK, "variables": {"tutor": str(tutor), "time": lesson_time().isoformat()}},
            headers={"Authorization": f"Bearer {people.world.token('student', subject=student)}"},
        )
    booking = answer.json()["data"]["bookSession"]["booking"]["id"]
    (saga,) = await people.world.sql(
        "payment", "select id, payment_intent_id from saga where booking_id = $1", UUID(booking)
    )
    await people.pay(saga["payment_intent_id"])
    await people.until_state(str(saga["id"]), "COMPLETED")
    told = json_lines()
    for method in SELLING:
        lines = [one for one in told if one.get("method", "").endswith(method) and one.get("booking_id") == booking]
        assert {line["saga_id"] for line in lines} == {str(saga["id"])}, (
            method
        )  # more than one: a slow call was repeated
    (edge,) = (one for one in told if one["event"] == "graphql")
    assert (edge["booking_id"], edge["saga_id"], edge["intent_id"]) == (
        booking,
        str(saga["id"]),
        saga["payment_intent_id"],
    )
    (event,) = (one for one in told if one["event"] == "event_received" and one.get("verdict") == "Apply")
    assert (event["booking_id"], event["intent_id"]) == (booking, saga["payment_intent_id"])


async def test_a_failed_call_is_said_with_its_peer_and_its_name(
    people: People, json_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    tutor = await people.tutor()
    await people.world.sql("availability", "alter table hold rename to hold_away")
    try:
        with pytest.raises(Refusal):
            await people.book(tutor, lesson_time(), timeout=6)
    finally:
        await people.world.sql("availability", "alter table hold_away rename to hold")
    told = json_lines()
    assert "context block" not in str(told) and "stamina" not in str(told)
    for name in ("call_repeated", "saga_backs_off"):
        line = next(one for one in told if one["event"] == name)
        assert line["call"] == "tutormesh.availability.v1.AvailabilityService/HoldSlot"
        assert line["peer"] == f"127.0.0.1:{people.world.ports['availability']}"
        assert line["booking_id"] and line["saga_id"]
