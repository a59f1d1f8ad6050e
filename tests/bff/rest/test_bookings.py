"""/api/v1/bookings, as docs/api.md (REST) says, over a whole mesh."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.bff.rest.conftest import BOOKINGS, order
from tests.people import People, lesson_time, wait_until

DATA = {
    "uuid", "status", "payment_session_id", "client_secret", "availability_block_uuid", "hold_expires_at", "start_time",
    "end_time",
}  # fmt: skip


async def test_a_student_books_pays_sees_and_cancels(people: People, someone: Any) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(3)
    answer = await student.ask("POST", BOOKINGS, order(student.id, tutor, start, purpose="fractions"))
    made = answer.json()["data"]
    assert (answer.status_code, answer.headers["location"]) == (200, f"{BOOKINGS}/{made['uuid']}")
    assert set(made) >= DATA
    assert made["status"] == "payment_required"
    assert made["client_secret"].startswith(made["payment_session_id"])
    assert made["start_time"] == start.isoformat().replace("+00:00", "Z")
    assert (made["price_amount"], made["currency"]) == ("50.00", "USD")

    await people.pay(made["payment_session_id"])
    path = f"{BOOKINGS}/{made['uuid']}"
    seen = await wait_until(lambda: student.data("GET", path), lambda booking: booking["status"] == "confirmed")
    assert made["meeting_link"] is None
    link = seen["meeting_link"]
    assert re.fullmatch(r"https://meet\.example\.org/[\w-]{20,}", link)
    became = {"status": "confirmed", "meeting_link": link, "hold_expires_at": None}
    assert {**seen, "client_secret": made["client_secret"]} == made | became
    assert "client_secret" not in seen

    cancelled = await student.data("POST", f"{path}/cancel", {"reason": "ill"})
    assert (cancelled["status"], cancelled["refund_amount"], cancelled["refund_currency"]) == (
        "cancelled",
        "50.00",
        "USD",
    )
    assert await student.data("POST", f"{path}/cancel") == cancelled


async def test_a_time_without_offset_is_utc(people: People, someone: Any) -> None:
    student, start = someone("student"), lesson_time(4)
    bare = {"start_time": start.strftime("%Y-%m-%dT%H:%M"), "end_time": (start + timedelta(hours=1)).isoformat()}
    made = await student.book(await people.tutor(), start, **bare)
    assert made["start_time"] == start.isoformat().replace("+00:00", "Z")


async def test_the_same_key_gives_the_same_booking_and_other_input_is_409(people: People, someone: Any) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(3, 12)
    key, body = {"headers": {"Idempotency-Key": "k1"}}, order(student.id, tutor, start, price_amount="50.00")
    first = await student.data("POST", BOOKINGS, body, **key)
    assert await student.data("POST", BOOKINGS, {**body, "price_amount": 50}, **key) == first
    later = order(student.id, tutor, start + timedelta(hours=2), price_amount="50.00")
    assert await student.refused("POST", BOOKINGS, later, **key) == (409, "IDEMPOTENCY_MISMATCH")
    assert await student.refused_field("POST", BOOKINGS, body, headers={"Idempotency-Key": ""}) == "Idempotency-Key"


@pytest.mark.parametrize("amount", ["50.00", "50", "50.0", 50, b"50.00", b"5e1"])
async def test_fifty_is_fifty_however_it_is_written(people: People, someone: Any, amount: Any) -> None:
    student, tutor = someone("student"), await people.tutor()
    body = order(student.id, tutor, lesson_time(5), price_amount="AMOUNT", currency="USD")
    if not isinstance(amount, bytes):
        made = await student.data("POST", BOOKINGS, {**body, "price_amount": amount})
    else:
        raw = json.dumps(body).encode().replace(b'"AMOUNT"', amount)
        made = await student.data("POST", BOOKINGS, content=raw, headers={"content-type": "application/json"})
    assert made["price_amount"] == "50.00"


@pytest.mark.parametrize("asked", [{"price_amount": "50.00"}, {"currency": "USD"}, {"price_amount": None}])
async def test_an_amount_or_a_currency_alone_is_enough_when_it_matches(
    people: People, someone: Any, asked: dict[str, Any]
) -> None:
    assert (await someone("student").book(await people.tutor(), lesson_time(6), **asked))["price_amount"] == "50.00"


@pytest.mark.parametrize(
    "asked",
    [
        {"price_amount": "49.99", "currency": "USD"},
        {"price_amount": "50.01"},
        {"price_amount": "50.001"},
        {"price_amount": "50.00", "currency": "EUR"},
        {"currency": "EUR"},
    ],
)
async def test_another_price_than_the_tutors_is_409_and_nothing_is_booked(
    people: People, someone: Any, asked: dict[str, Any]
) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(7)
    key = {"headers": {"Idempotency-Key": "k"}}
    body = order(student.id, tutor, start, **asked)
    assert await student.refused("POST", BOOKINGS, body, **key) == (409, "AMOUNT_MISMATCH")
    live = "select 1 from claim where calendar_id = any($1)"
    assert await people.world.sql("availability", live, [student.id, tutor]) == []
    assert await people.world.sql("booking", "select 1 from booking where student_id = $1", student.id) == []
    assert await people.world.sql("payment", "select 1 from payment where student_id = $1", student.id) == []
    made = await student.data("POST", BOOKINGS, order(student.id, tutor, start), **key)  # the key is free again
    assert made["status"] == "payment_required"


async def test_booking_the_same_lesson_again_at_another_price_is_refused(people: People, someone: Any) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(8)
    made = await student.book(tutor, start)
    dearer = order(student.id, tutor, start, price_amount="51.00")
    assert await student.refused("POST", BOOKINGS, dearer) == (409, "AMOUNT_MISMATCH")
    assert await student.book(tutor, start, price_amount="50.00") == made


async def test_a_service_books_for_anyone_at_its_own_price(people: People, someone: Any) -> None:
    service, student, tutor = someone("service"), someone("student"), await people.tutor()
    body = order(student.id, tutor, lesson_time(9), price_amount=12.5, currency="EUR")
    made = await service.data("POST", BOOKINGS, body)
    assert (made["price_amount"], made["currency"], made["student_uuid"]) == ("12.50", "EUR", str(student.id))
    assert made["client_secret"]
    intent = await people.intent(made["payment_session_id"])
    assert (intent["amount"], intent["currency"]) == (1250, "eur")
    assert (await student.data("GET", f"{BOOKINGS}/{made['uuid']}"))["price_amount"] == "12.50"


async def test_a_service_can_give_a_lesson_away(people: People, someone: Any) -> None:
    body = order(uuid4(), await people.tutor(), lesson_time(9), price_amount="0.00")
    made = await someone("service").data("POST", BOOKINGS, body)
    assert (made["status"], made["price_amount"], made["payment_session_id"]) == ("confirmed", "0.00", None)
    assert made["client_secret"] is None


async def test_amounts_have_the_decimals_of_their_currency_in_any_case(people: People, someone: Any) -> None:
    student, yen, dinar = someone("student"), await people.tutor(2000, "JPY"), await people.tutor(1250, "KWD")
    assert (await student.book(yen, lesson_time(10), price_amount="2000.00", currency="JPY"))["price_amount"] == "2000"
    body = {"price_amount": "1.250", "currency": "kwd"}
    made = await student.book(dinar, lesson_time(11), **body)
    assert (made["price_amount"], made["currency"]) == ("1.250", "KWD")


async def test_a_slot_taken_and_a_student_busy_are_409(people: People, someone: Any) -> None:
    one, other, tutor, start = someone("student"), someone("student"), await people.tutor(), lesson_time(12)
    await one.book(tutor, start)
    assert await other.refused("POST", BOOKINGS, order(other.id, tutor, start)) == (409, "SLOT_TAKEN")
    elsewhere = order(one.id, await people.tutor(), start)
    assert await one.refused("POST", BOOKINGS, elsewhere) == (409, "STUDENT_BUSY")


@pytest.mark.parametrize(
    ("minute", "minutes", "days", "code"),
    [
        (0, 14, 0, "LENGTH_NOT_OFFERED"),
        (0, 241, 0, "LENGTH_NOT_OFFERED"),
        (7, 60, 0, "START_NOT_OFFERED"),
        (0, 60, 366, "TOO_FAR_AHEAD"),
    ],
)
async def test_a_lesson_that_the_tutor_does_not_offer_is_409(
    people: People, someone: Any, minute: int, minutes: int, days: int, code: str
) -> None:
    student, start = someone("student"), lesson_time(3) + timedelta(days=days, minutes=minute)
    body = order(student.id, await people.tutor(), start, end_time=(start + timedelta(minutes=minutes)).isoformat())
    assert await student.refused("POST", BOOKINGS, body) == (409, code)


async def test_a_taken_slot_has_the_same_message_whoever_took_it(people: People, someone: Any) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(15)
    await student.book(tutor, start)
    longer = {"end_time": (start + timedelta(minutes=90)).isoformat()}
    own = await student.ask("POST", BOOKINGS, order(student.id, tutor, start, **longer))
    other = someone("student")
    anothers = await other.ask("POST", BOOKINGS, order(other.id, tutor, start))
    assert own.json()["error"]["code"] == "SLOT_TAKEN"
    assert own.json() == anothers.json()


async def test_a_booking_tutor_or_course_that_does_not_exist_is_404(people: People, someone: Any) -> None:
    student = someone("student")
    nobodys = order(student.id, uuid4(), lesson_time(13))
    assert await student.refused("POST", BOOKINGS, nobodys) == (404, "TUTOR_NOT_FOUND")
    nowhere = order(student.id, await people.tutor(), lesson_time(13), course_uuid=str(uuid4()))
    assert await student.refused("POST", BOOKINGS, nowhere) == (404, "COURSE_NOT_FOUND")
    for method, path in (("GET", f"{BOOKINGS}/{uuid4()}"), ("POST", f"{BOOKINGS}/{uuid4()}/cancel")):
        assert await student.refused(method, path) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("rate", "currency"),
    [
        (240, "LBP"),  # once converted to the currency of the sandbox's account, this is not a cent
        (197, "USD"),  # 0.49: one below the least
    ],
)
async def test_a_price_that_the_provider_refuses_is_409_with_the_ended_booking(
    people: People, someone: Any, rate: int, currency: str
) -> None:
    student, tutor, start = someone("student"), await people.tutor(rate=rate, currency=currency), lesson_time(13)
    short = order(student.id, tutor, start, end_time=(start + timedelta(minutes=15)).isoformat())
    key = {"headers": {"Idempotency-Key": "k"}}
    answer = await student.ask("POST", BOOKINGS, short, **key)
    told = answer.json()
    assert (answer.status_code, told["success"], told["error"]["code"]) == (409, False, "PAYMENT_REFUSED")
    path = f"{BOOKINGS}/{told['data']['uuid']}"
    await wait_until(lambda: student.data("GET", path), lambda booking: booking["status"] == "payment_failed")
    again = await student.ask("POST", BOOKINGS, short, **key)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "PAYMENT_REFUSED")
    assert (again.json()["data"]["uuid"], again.json()["data"]["status"]) == (told["data"]["uuid"], "payment_failed")
    assert (await student.book(tutor, start))["status"] == "payment_required"


async def test_a_repeated_key_whose_booking_has_ended_answers_with_it(people: People, someone: Any) -> None:
    student, tutor, start = someone("student"), await people.tutor(), lesson_time(13, 12)
    body, key = order(student.id, tutor, start), {"headers": {"Idempotency-Key": "k"}}
    made = await student.data("POST", BOOKINGS, body, **key)
    await student.data("POST", f"{BOOKINGS}/{made['uuid']}/cancel")
    again = await student.ask("POST", BOOKINGS, body, **key)
    assert (again.status_code, again.json()["message"]) == (200, "the booking has ended: cancelled")
    assert (again.json()["data"]["uuid"], again.json()["data"]["client_secret"]) == (made["uuid"], None)


async def test_a_lesson_that_ends_after_the_last_representable_time_is_refused(people: People, someone: Any) -> None:
    last = {"start_time": "8999-12-31T23:30:00Z", "end_time": "9000-01-01T00:30:00Z"}
    student = someone("student")
    body = order(student.id, await people.tutor(), lesson_time(14), **last)
    assert await student.refused_field("POST", BOOKINGS, body) == "start_time"


async def test_cancelling_an_ended_booking_is_409(people: People, someone: Any) -> None:
    student, tutor = someone("student"), await people.tutor()
    made = await student.book(tutor, lesson_time(14))
    saga = (await people.world.sql("payment", "select id::text from saga where student_id = $1", student.id))[0]["id"]
    await people.let_the_hold_end(saga)
    path = f"{BOOKINGS}/{made['uuid']}"
    await wait_until(lambda: student.data("GET", path), lambda booking: booking["status"] == "expired")
    assert await student.refused("POST", f"{path}/cancel") == (409, "NOT_CANCELLABLE")
    used = {"quote_token": "bad"}
    other = await student.book(tutor, lesson_time(14))
    assert await student.refused("POST", f"{BOOKINGS}/{other['uuid']}/cancel", used) == (409, "QUOTE_EXPIRED")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"student_uuid": None}, "student_uuid"),
        ({"student_uuid": "me"}, "student_uuid"),
        ({"instructor_uuid": 7}, "instructor_uuid"),
        ({"course_uuid": ""}, "course_uuid"),
        ({"start_time": "tomorrow"}, "start_time"),
        ({"start_time": "2030-02-30T09:00Z"}, "start_time"),
        ({"start_time": "2030-01-01T09:00:30Z", "end_time": "2030-01-01T10:00:30Z"}, "start_time"),
        ({"start_time": "2030-01-01T09:00Z", "end_time": "2030-01-01T09:00Z"}, "end_time"),
        ({"start_time": "2030-01-01T09:00Z", "end_time": "2030-01-01T09:00:30Z"}, "end_time"),
        ({"start_time": "2030-01-01T09:00Z", "end_time": "2030-01-03T09:00Z"}, "end_time"),
        ({"price_amount": "50.001", "currency": "USD"}, "price_amount"),
        ({"price_amount": "1e999999", "currency": "USD"}, "price_amount"),
        ({"price_amount": "-1"}, "price_amount"),
        ({"price_amount": -1}, "price_amount"),
        ({"price_amount": True}, "price_amount"),
        ({"price_amount": 10**30}, "price_amount"),
        ({"price_amount": "5", "currency": "ısd"}, "currency"),
        ({"purpose": "x" * 1001}, "purpose"),
        ({"purpose": "a\0b"}, "purpose"),
        ({"purpose": 5}, "purpose"),
    ],
)
async def test_a_bad_field_is_named(someone: Any, changes: dict[str, Any], field: str) -> None:
    student = someone("student")
    body = order(student.id, uuid4(), lesson_time(3)) | changes
    assert await student.refused_field("POST", BOOKINGS, body) == field


@pytest.mark.parametrize("field", ["student_uuid", "course_uuid", "instructor_uuid", "start_time", "end_time"])
async def test_a_missing_required_field_is_named(someone: Any, field: str) -> None:
    student = someone("student")
    body = order(student.id, uuid4(), lesson_time(3))
    del body[field]
    assert await student.refused_field("POST", BOOKINGS, body) == field


async def test_a_tutor_cannot_be_their_own_student(someone: Any) -> None:
    student = someone("student")
    body = order(student.id, student.id, lesson_time(3))
    assert await student.refused_field("POST", BOOKINGS, body) == "instructor_uuid"


async def test_a_path_that_is_not_a_uuid_is_named(someone: Any) -> None:
    assert await someone("student").refused_field("GET", f"{BOOKINGS}/1") == "uuid"
