"""docs/api.md, "GraphQL" and "Exact meanings": working hours, slots, and the answers of bookSession."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.client import (
    BOOK,
    BOOKING,
    PUBLISH,
    SECONDS,
    WEEK,
    MeshClient,
    Person,
    iso,
    lesson_time,
    wait_until,
)

SLOTS = """query($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!, $minutes: Int = 60) {
  tutorAvailability(tutorId: $tutorId, from: $from, to: $to, durationMinutes: $minutes) {
    start end price { amountMinor currency display }
  }
}"""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def slots(student: Person, tutor: Person, begin: datetime, end: datetime, minutes: int = 60) -> list[Any]:
    return list(await student.get(SLOTS, tutorId=tutor.id, **{"from": iso(begin), "to": iso(end)}, minutes=minutes))


@pytest.mark.parametrize(
    ("minor", "currency", "shown"), [(5000, "USD", "$50.00"), (2000, "JPY", "¥2,000"), (4500, "eur", "€45.00")]
)
async def test_money_has_minor_units_a_currency_and_a_display(
    mesh: MeshClient, minor: int, currency: str, shown: str
) -> None:
    tutor, start = await mesh.tutor({"amountMinor": minor, "currency": currency}), lesson_time()
    (slot,) = await slots(mesh.person("student"), tutor, start, start + timedelta(minutes=15))
    assert slot["price"] == {"amountMinor": minor, "currency": currency.upper(), "display": shown}


@pytest.mark.parametrize(
    ("rate", "minutes", "price"), [(1001, 30, 500), (1003, 30, 502), (5000, 90, 7500), (5000, 31, 2583)]
)
async def test_a_lesson_costs_rate_times_minutes_over_60_rounded_half_even(
    mesh: MeshClient, rate: int, minutes: int, price: int
) -> None:
    tutor, student = await mesh.tutor({"amountMinor": rate, "currency": "USD"}), mesh.person("student")
    made = await student.book(tutor, lesson_time(), durationMinutes=minutes)
    assert made["booking"]["price"]["amountMinor"] == price


async def test_listings_show_every_15_minutes(mesh: MeshClient) -> None:
    tutor, start = await mesh.tutor(), lesson_time()
    free = await slots(mesh.person("student"), tutor, start, start + timedelta(minutes=61))
    assert [slot["start"][14:16] for slot in free] == ["00", "15", "30", "45", "00"]
    assert [slot["start"] for slot in free][-1] == iso(start + timedelta(hours=1))


async def test_a_lesson_of_any_offered_whole_minute_can_be_booked_at_an_offered_start(mesh: MeshClient) -> None:
    made = await mesh.person("student").book(await mesh.tutor(), lesson_time(minute=45), durationMinutes=23)
    assert made["booking"]["status"] == "PAYMENT_REQUIRED"


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"durationMinutes": 14}, "LENGTH_NOT_OFFERED", "durationMinutes"),
        ({"durationMinutes": 241}, "LENGTH_NOT_OFFERED", "durationMinutes"),
        ({"time": iso(lesson_time(minute=7))}, "START_NOT_OFFERED", "time"),
        ({"time": iso(lesson_time(days=367))}, "TOO_FAR_AHEAD", "time"),
        ({"time": "8999-06-01T10:00:00Z"}, "TOO_FAR_AHEAD", "time"),
    ],
)
async def test_a_lesson_that_the_tutor_does_not_offer_is_a_user_error(
    mesh: MeshClient, changed: dict[str, Any], code: str, field: str
) -> None:
    order = {"tutorId": (await mesh.tutor()).id, "time": iso(lesson_time())} | changed
    error = await mesh.person("student").user_error(BOOK, **order)
    assert (error["code"], error["field"], error["retryable"]) == (code, [field], False)


async def test_a_tutor_reads_back_what_was_published_and_a_student_is_held_to_it(mesh: MeshClient) -> None:
    offer = {"shortestLessonMinutes": 50, "longestLessonMinutes": 50, "startEveryMinutes": 60, "maximumDaysAhead": 5}
    windows = [{"weekday": day, "start": "00:10", "end": "24:00"} for day in WEEK]
    tutor, student, start = mesh.person("tutor"), mesh.person("student"), lesson_time()
    given = {"timezone": "UTC", "weekly": windows, "rate": {"amountMinor": 5000, "currency": "USD"}} | offer
    shown = await tutor.get(
        """mutation($input: PublishAvailabilityInput!) { publishAvailability(input: $input) { schedule {
          shortestLessonMinutes longestLessonMinutes startEveryMinutes maximumDaysAhead } } }""",
        input=given,
    )
    assert shown["schedule"] == offer
    free = await slots(student, tutor, start, start + timedelta(hours=3), 50)
    assert [slot["start"] for slot in free] == [iso(start + timedelta(minutes=m)) for m in (10, 70, 130)]
    assert await slots(student, tutor, start, start + timedelta(hours=3)) == []
    assert await slots(student, tutor, start + timedelta(days=4), start + timedelta(days=5), 50) == []
    await student.book(tutor, start + timedelta(minutes=10), durationMinutes=50)


async def test_windows_that_touch_over_midnight_are_one(mesh: MeshClient) -> None:
    day = lesson_time(4, 23, 30)
    window = {"weekday": day.strftime("%A").upper(), "start": "22:00", "end": "24:00"}
    after = {"weekday": (day + timedelta(days=1)).strftime("%A").upper(), "start": "00:00", "end": "02:00"}
    tutor = await mesh.tutor(weekly=[window, after])
    assert (await mesh.person("student").book(tutor, day))["booking"]
    assert len(await slots(mesh.person("student"), tutor, day - timedelta(hours=1, minutes=30), day)) == 3


async def test_a_time_needs_an_offset_and_is_answered_in_utc(mesh: MeshClient) -> None:
    student, tutor, start = mesh.person("student"), await mesh.tutor(), lesson_time(hour=12)
    local = start.astimezone().replace(tzinfo=None)
    assert await student.error_code(BOOK, tutorId=tutor.id, time=local.isoformat()) == "BAD_USER_INPUT"
    elsewhere = f"{start + timedelta(hours=5, minutes=30):%Y-%m-%dT%H:%M:%S}+05:30"
    made = await student.get(BOOK, tutorId=tutor.id, time=elsewhere)
    booking = await student.booking(made["booking"]["id"])
    assert (booking["startTime"], booking["endTime"]) == (iso(start), iso(start + timedelta(hours=1)))
    assert all(INSTANT.fullmatch(booking[name]) for name in ("startTime", "endTime", "createdAt", "holdExpiresAt"))


async def test_a_booking_awaits_its_payment_and_says_how_to_pay(mesh: MeshClient) -> None:
    student, tutor, start = mesh.person("student"), await mesh.tutor(), lesson_time()
    made = await student.book(tutor, start, purpose="fractions")
    assert made["paymentIntentId"].startswith("pi_")
    assert made["clientSecret"].startswith(f"{made['paymentIntentId']}_secret_")
    booking = await student.booking(made["booking"]["id"])
    assert (booking["status"], booking["purpose"], booking["courseId"]) == ("PAYMENT_REQUIRED", "fractions", None)
    assert (booking["tutorId"], booking["studentId"]) == (tutor.id, student.id)
    assert booking["holdExpiresAt"] == made["holdExpiresAt"] and booking["availabilityBlockId"]
    assert (booking["session"], booking["payment"]["status"]) == (None, "PENDING")


async def test_a_paid_booking_is_confirmed_and_its_session_and_payment_name_each_other(mesh: MeshClient) -> None:
    student, tutor, start = mesh.person("student"), await mesh.tutor(), lesson_time()
    booking = await mesh.sell(student, tutor, start)
    session, payment = booking["session"], booking["payment"]
    assert (session["bookingId"], session["status"], session["durationMinutes"]) == (booking["id"], "CONFIRMED", 60)
    assert (payment["context"], payment["contextId"]) == ("SESSION_BOOKING", session["id"])
    assert (payment["status"], payment["sessionId"], payment["disputed"]) == ("SUCCEEDED", session["id"], False)
    assert {entry["service"] for entry in booking["timeline"]} == {"booking", "payment"}
    intent = (await mesh.stripe("GET", f"/v1/payment_intents/{payment['stripePaymentIntentId']}")).json()
    kept = intent["metadata"]
    assert (kept["paymentId"], kept["paymentContext"], kept["contextId"]) == (
        payment["id"],
        "SESSION_BOOKING",
        session["id"],
    )
    assert kept["sagaId"]


async def test_student_and_tutor_list_a_lesson_and_only_the_student_lists_its_payment(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sell(student, tutor, lesson_time())
    mine = """query($after: String) { getMySessions(status: CONFIRMED, after: $after) { nodes { bookingId }
      edges { node { bookingId } cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    for person in (student, tutor):
        page = await person.get(mine)
        assert page["nodes"] == [edge["node"] for edge in page["edges"]] == [{"bookingId": booking["id"]}]
        ends = {"startCursor": page["edges"][0]["cursor"], "endCursor": page["edges"][-1]["cursor"]}
        assert page["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False, **ends}
        behind = await person.get(mine, after=ends["endCursor"])
        nothing = {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None}
        assert behind == {"nodes": [], "edges": [], "pageInfo": nothing}
    details = "query($id: ID!) { getSessionDetails(id: $id) { bookingId } }"
    assert await student.get(details, id=booking["session"]["id"]) == {"bookingId": booking["id"]}
    paid = "{ getPaymentHistory { nodes { id } pageInfo { hasNextPage } } }"
    assert (await student.get(paid))["nodes"] == [{"id": booking["payment"]["id"]}]
    assert (await tutor.get(paid))["nodes"] == []


async def test_a_free_lesson_is_confirmed_in_the_call(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor({"amountMinor": 0, "currency": "USD"})
    made = await student.book(tutor, lesson_time())
    assert (made["booking"]["status"], made["clientSecret"], made["holdExpiresAt"]) == ("CONFIRMED", None, None)


async def test_the_same_lesson_again_is_the_same_booking_while_it_awaits_payment(mesh: MeshClient) -> None:
    student, tutor, start = mesh.person("student"), await mesh.tutor(), lesson_time()
    assert await student.book(tutor, start) == await student.book(tutor, start)
    error = await student.user_error(BOOK, tutorId=tutor.id, time=iso(start), durationMinutes=30)
    assert error["code"] == "SLOT_TAKEN"


async def test_an_idempotency_key_returns_its_booking_with_the_present_status(mesh: MeshClient) -> None:
    student, tutor, start, key = mesh.person("student"), await mesh.tutor(), lesson_time(), str(uuid4())
    first = await student.book(tutor, start, idempotencyKey=key)
    assert await student.book(tutor, start, idempotencyKey=key) == first
    other = await student.user_error(BOOK, tutorId=tutor.id, time=iso(start + timedelta(hours=2)), idempotencyKey=key)
    assert (other["code"], other["retryable"]) == ("IDEMPOTENCY_MISMATCH", False)
    await mesh.pay(first)
    await student.wait_until_status(first["booking"]["id"], "CONFIRMED")
    later = await student.book(tutor, start, idempotencyKey=key)
    assert later["booking"]["id"] == first["booking"]["id"]
    assert (later["booking"]["status"], later["clientSecret"]) == ("CONFIRMED", None)
    # A key belongs to its student: another student's same key is a different one.
    assert (await mesh.person("student").user_error(BOOK, tutorId=tutor.id, time=iso(start), idempotencyKey=key))[
        "code"
    ]


async def test_a_key_whose_first_use_was_refused_can_be_used_again(mesh: MeshClient) -> None:
    student, tutor, key = mesh.person("student"), await mesh.tutor(minimumNoticeMinutes=60 * 24 * 2), str(uuid4())
    soon = {"tutorId": tutor.id, "time": iso(lesson_time(1)), "idempotencyKey": key}
    assert (await student.user_error(BOOK, **soon))["code"] == "TOO_SOON"
    assert (await student.book(tutor, lesson_time(3), idempotencyKey=key))["booking"]


async def test_a_second_use_waits_for_the_first(mesh: MeshClient) -> None:
    student, tutor, start, key = mesh.person("student"), await mesh.tutor(), lesson_time(), str(uuid4())
    made = await asyncio.gather(*(student.book(tutor, start, idempotencyKey=key) for _ in range(5)))
    assert len({one["booking"]["id"] for one in made}) == len({one["clientSecret"] for one in made}) == 1


async def test_slot_taken_names_no_cause_and_has_priority_over_student_busy(mesh: MeshClient) -> None:
    student, other, start = mesh.person("student"), mesh.person("student"), lesson_time()
    one, two, three = [await mesh.tutor() for _ in range(3)]
    await student.book(one, start)
    await other.book(two, start)
    taken = await student.user_error(BOOK, tutorId=two.id, time=iso(start))
    assert taken["code"] == "SLOT_TAKEN"
    assert not any(person.id in taken["message"] for person in (student, other, one, two))
    busy = await student.user_error(BOOK, tutorId=three.id, time=iso(start + timedelta(minutes=30)))
    assert (busy["code"], busy["retryable"]) == ("STUDENT_BUSY", False)


async def test_a_refusal_by_a_rule_is_a_user_error(mesh: MeshClient) -> None:
    tutor = await mesh.tutor(weekly=[{"weekday": "MONDAY", "start": "09:00", "end": "10:00"}], minimumNoticeMinutes=60)
    at_night = {"tutorId": tutor.id, "time": iso(lesson_time(3, 3))}
    unknown = {"tutorId": str(uuid4()), "time": iso(lesson_time())}
    of_a_course = {"tutorId": (await mesh.tutor()).id, "time": iso(lesson_time()), "courseId": str(uuid4())}
    refused = {"OUTSIDE_WORKING_HOURS": at_night, "TUTOR_NOT_FOUND": unknown, "COURSE_NOT_FOUND": of_a_course}
    for code, order in refused.items():
        error = await mesh.person("student").user_error(BOOK, **order)
        assert (error["code"], error["retryable"], bool(error["message"])) == (code, False, True)


async def test_a_student_has_at_most_three_unpaid_holds(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    for hour in (8, 10, 12):
        await student.book(tutor, lesson_time(hour=hour))
    error = await student.user_error(BOOK, tutorId=tutor.id, time=iso(lesson_time(hour=14)))
    assert (error["code"], error["retryable"]) == ("TOO_MANY_HOLDS", False)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"tutorId": "x"}, "tutorId"),
        ({"durationMinutes": 0}, "durationMinutes"),
        ({"purpose": "x" * 1001}, "purpose"),
        ({"courseId": "x"}, "courseId"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_bad_input_is_a_graphql_error_that_names_the_argument(
    mesh: MeshClient, changed: dict[str, Any], field: str
) -> None:
    order = {"tutorId": str(uuid4()), "time": iso(lesson_time())} | changed
    (error,) = (await mesh.person("student").ask(BOOK, **order))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", [field])
    assert field in error["message"]


async def test_a_person_cannot_book_a_lesson_with_themselves(mesh: MeshClient) -> None:
    both = mesh.person("student")
    assert await both.error_code(BOOK, tutorId=both.id, time=iso(lesson_time())) == "BAD_USER_INPUT"


async def test_every_other_error_has_its_code(mesh: MeshClient) -> None:
    student, order = mesh.person("student"), {"tutorId": str(uuid4()), "time": iso(lesson_time())}
    forged = Person(mesh.http, mesh.bff, "", "a.b.c")
    assert await mesh.nobody.error_code(BOOK, **order) == await forged.error_code(BOOK, **order) == "UNAUTHENTICATED"
    assert await mesh.person("tutor").error_code(BOOK, **order) == "FORBIDDEN"
    assert (
        await student.error_code(
            PUBLISH, input={"timezone": "UTC", "weekly": [], "rate": {"amountMinor": 1, "currency": "USD"}}
        )
        == "FORBIDDEN"
    )
    assert await student.error_code(BOOKING, id=str(uuid4())) == "NOT_FOUND"
    assert await student.error_code("{ nonsense }") == "BAD_USER_INPUT"


async def test_47_another_persons_things_answer_as_if_they_did_not_exist(mesh: MeshClient) -> None:
    booking = await mesh.sell(mesh.person("student"), await mesh.tutor(), lesson_time())
    session = "query($id: ID!) { getSessionDetails(id: $id) { id } }"
    quote = "query($id: ID!) { cancellationQuote(bookingId: $id) { token } }"
    cancel = "mutation($id: ID!) { cancelBooking(bookingId: $id) { booking { id } } }"
    for role in ("student", "tutor"):
        stranger = mesh.person(role)
        for query, id in (
            (BOOKING, booking["id"]),
            (session, booking["session"]["id"]),
            (quote, booking["id"]),
            (cancel, booking["id"]),
        ):
            assert await stranger.ask(query, id=id) == await stranger.ask(query, id=str(uuid4()))


async def test_an_unavailable_provider_is_a_retryable_user_error_within_ten_seconds(mesh: MeshClient) -> None:
    student, tutor, start = mesh.person("student"), await mesh.tutor(), lesson_time()
    fault = {"method": "POST", "path": "/v1/payment_intents", "fault": "error_before", "times": 100}
    await mesh.sandbox("POST", "/faults", fault)
    try:
        error = await asyncio.wait_for(student.user_error(BOOK, tutorId=tutor.id, time=iso(start)), SECONDS)
    finally:
        await mesh.sandbox("DELETE", "/faults")
    assert (error["code"] in ("PAYMENT_PROVIDER_UNAVAILABLE", "TRY_AGAIN"), error["retryable"]) == (True, True)


@pytest.mark.parametrize(
    ("rate", "currency"),
    [
        (240, "LBP"),  # once converted to the currency of the sandbox's account, this is not a cent
        (197, "USD"),  # 0.49: one below the least
        (49, "JPY"),
    ],
)
async def test_a_price_that_the_provider_refuses_is_a_user_error_beside_the_failed_booking(
    mesh: MeshClient, rate: int, currency: str
) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor({"amountMinor": rate, "currency": currency})
    order = {"tutorId": tutor.id, "time": iso(lesson_time()), "durationMinutes": 15, "idempotencyKey": "k"}
    made = (await student.ask(BOOK, **order))["data"]["bookSession"]
    assert [(error["code"], error["retryable"]) for error in made["userErrors"]] == [("PAYMENT_REFUSED", False)]
    await student.wait_until_status(made["booking"]["id"], "PAYMENT_FAILED")
    again = (await student.ask(BOOK, **order))["data"]["bookSession"]
    assert (again["booking"]["id"], again["booking"]["status"]) == (made["booking"]["id"], "PAYMENT_FAILED")
    assert again["userErrors"] == made["userErrors"]


async def test_a_lesson_that_ends_after_the_last_representable_time_is_bad_input(mesh: MeshClient) -> None:
    order = {"tutorId": (await mesh.tutor()).id, "time": "8999-12-31T23:30:00Z", "durationMinutes": 60}
    (error,) = (await mesh.person("student").ask(BOOK, **order))["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["time"]}


async def test_a_person_has_50_calls_a_second_and_a_burst_of_100(mesh: MeshClient) -> None:
    """The headers of an answer say so. Requests beyond the limit are tested elsewhere, with a clock that stands still."""
    answer = await mesh.person("student").rest("POST", "/graphql", {"query": "{ __typename }"})
    policy = dict(re.findall(r"(\w+)=(\d+)", answer.headers["ratelimit-policy"]))
    left = dict(re.findall(r"(\w+)=(\d+)", answer.headers["ratelimit"]))
    assert int(policy["q"]) / int(policy["w"]) == 50
    assert (policy["q"], left["r"]) == ("100", "99")


async def test_a_slot_is_free_again_after_the_hold_and_its_grace_have_ended(mesh: MeshClient) -> None:
    left, made = mesh.expiring, mesh.expiring["made"]
    booking = await left["student"].wait_until_status(made["booking"]["id"], "EXPIRED")
    intent = await mesh.stripe("GET", f"/v1/payment_intents/{made['paymentIntentId']}")
    assert intent.json()["status"] == "canceled"
    assert (await mesh.pay(made)).status_code == 400

    async def book() -> list[Any]:
        answer = await mesh.person("student").get(BOOK, tutorId=left["tutor"].id, time=booking["startTime"])
        return [error["code"] for error in answer["userErrors"]]

    assert await wait_until(book, lambda codes: codes != ["SLOT_TAKEN"]) == []
