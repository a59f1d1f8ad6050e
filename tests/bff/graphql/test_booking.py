"""bookSession: its RPC, its answer, and its refusals."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode

from mesh.errors import BadInput, CallFailed, Overloaded, Refusal, TryAgain
from tutormesh.booking.v1 import booking_pb2

BOOK = """
mutation Book($tutorId: ID!, $time: AWSDateTime!, $durationMinutes: Int, $courseId: ID, $purpose: String,
              $key: String) {
  bookSession(tutorId: $tutorId, time: $time, durationMinutes: $durationMinutes, courseId: $courseId, purpose: $purpose,
              idempotencyKey: $key) {
    booking { id status }
    clientSecret paymentIntentId sagaId holdExpiresAt
    userErrors { code message field retryable }
  }
}
"""
TIME = "2030-01-31T10:00:00+01:00"


async def test_a_lesson_is_booked_for_the_caller(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    given = {"purpose": "fractions", "key": "k1", "durationMinutes": 90}
    payload = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME, **given))["bookSession"]
    assert payload == {
        "booking": {"id": lesson.booking_id, "status": "CONFIRMED"},
        "clientSecret": "pi_1_secret_hush",
        "paymentIntentId": "pi_1",
        "sagaId": lesson.saga_id,
        "holdExpiresAt": "2030-01-30T09:30:00Z",
        "userErrors": [],
    }
    seen = script.one("BookSession")
    request = seen.request
    assert (request.student_id, request.tutor_id) == (student.id, lesson.tutor)
    assert request.start_time.ToJsonString() == "2030-01-31T09:00:00Z"
    assert (request.duration_minutes, request.purpose, request.idempotency_key) == (90, "fractions", "k1")
    assert request.course_id == ""
    assert 7 < seen.seconds_left < 8.5


async def test_an_hour_is_booked_when_no_length_is_given(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    await student.data(BOOK, tutorId=lesson.tutor, time=TIME, durationMinutes=None)
    assert script.one("BookSession").request.duration_minutes == 60


async def test_a_booking_with_nothing_to_pay_has_null_payment_fields(student: Any, script: Any, lesson: Any) -> None:
    free = lesson.booked(client_secret="", payment_intent_id="", payment_id="")
    free.ClearField("hold_expires_at")
    script.answers = lesson.answers() | {"BookSession": free}
    payload = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]
    assert (payload["clientSecret"], payload["paymentIntentId"], payload["holdExpiresAt"]) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"saga_state": "COMPENSATING", "payment_intent_id": ""}, ["PAYMENT_REFUSED"]),
        ({"saga_state": "PAYMENT_FAILED", "payment_intent_id": ""}, ["PAYMENT_REFUSED"]),
        ({"saga_state": "PAYMENT_FAILED"}, []),  # declined, but its payment was opened
        ({"saga_state": "EXPIRED", "payment_intent_id": ""}, []),
        ({"saga_state": "COMPENSATING", "payment_intent_id": "", "payment_id": ""}, []),  # free
    ],
)
async def test_a_refused_payment_is_a_user_error_beside_the_booking(
    student: Any, script: Any, lesson: Any, changed: dict[str, str], codes: list[str]
) -> None:
    script.answers = lesson.answers() | {"BookSession": lesson.booked(client_secret="", **changed)}
    payload = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]
    assert payload["booking"]["id"] == lesson.booking_id
    assert [error["code"] for error in payload["userErrors"]] == codes
    assert not any(error["retryable"] or error["field"] for error in payload["userErrors"])


async def test_the_booking_is_read_only_when_it_is_selected(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    query = "mutation($t: ID!, $at: AWSDateTime!) { bookSession(tutorId: $t, time: $at) { sagaId } }"
    await student.data(query, t=lesson.tutor, at=TIME)
    assert [seen.rpc for seen in script.seen] == ["BookSession"]


async def test_a_booking_that_was_recorded_just_now_is_not_read_again(student: Any, script: Any, lesson: Any) -> None:
    recorded = lesson.booking(status=booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED)
    script.answers = lesson.answers() | {"BookSession": lesson.booked(booking=recorded)}
    payload = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]
    assert payload["booking"] == {"id": lesson.booking_id, "status": "PAYMENT_REQUIRED"}
    assert [seen.rpc for seen in script.seen] == ["BookSession"]


async def test_the_client_secret_survives_a_booking_that_cannot_be_read(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers() | {"BatchGetBookings": TryAgain()}
    answer = await student.ask(BOOK, tutorId=lesson.tutor, time=TIME)
    assert answer["data"]["bookSession"]["clientSecret"] == "pi_1_secret_hush"
    assert [error["path"] for error in answer["errors"]] == [["bookSession", "booking"]]


async def test_a_second_mutation_reads_the_booking_again(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    query = """mutation($t: ID!, $at: AWSDateTime!) {
      one: bookSession(tutorId: $t, time: $at) { booking { id } }
      two: bookSession(tutorId: $t, time: $at) { booking { id } }
    }"""
    await student.data(query, t=lesson.tutor, at=TIME)
    assert [seen.rpc for seen in script.seen] == ["BookSession", "BatchGetBookings"] * 2


@pytest.mark.parametrize(
    ("reason", "field", "retryable"),
    [
        ("SLOT_TAKEN", ["time"], False),
        ("OUTSIDE_WORKING_HOURS", ["time"], False),
        ("TOO_SOON", ["time"], False),
        ("START_NOT_OFFERED", ["time"], False),
        ("TOO_FAR_AHEAD", ["time"], False),
        ("LENGTH_NOT_OFFERED", ["durationMinutes"], False),
        ("STUDENT_BUSY", ["time"], False),
        ("TUTOR_NOT_FOUND", ["tutorId"], False),
        ("COURSE_NOT_FOUND", ["courseId"], False),
        ("TOO_MANY_HOLDS", None, False),
        ("IDEMPOTENCY_MISMATCH", ["idempotencyKey"], False),
        ("PAYMENT_PROVIDER_UNAVAILABLE", None, True),
        ("TRY_AGAIN", None, True),
    ],
)
async def test_a_business_rule_that_refuses_is_a_user_error(
    student: Any, script: Any, lesson: Any, reason: str, field: list[str] | None, retryable: bool
) -> None:
    script.answers["BookSession"] = Refusal.from_parts("FAILED_PRECONDITION", reason, "because")
    payload = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]
    assert payload["userErrors"] == [{"code": reason, "message": "because", "field": field, "retryable": retryable}]
    assert payload["booking"] is None
    assert payload["clientSecret"] is None


async def test_the_field_of_a_refusal_has_the_clients_name(student: Any, script: Any, lesson: Any) -> None:
    script.answers["BookSession"] = Refusal.from_parts("ABORTED", "SLOT_TAKEN", "start_time: taken", "start_time")
    (error,) = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]["userErrors"]
    assert (error["field"], error["message"]) == (["time"], "time: taken")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL", "ABORTED", "CANCELLED"])
async def test_a_booking_whose_outcome_is_unknown_may_be_sent_again(
    student: Any, script: Any, lesson: Any, peers: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    async def lost(*_: object, timeout: float) -> None:
        raise CallFailed(StatusCode[code], "10.0.0.1 went away")

    monkeypatch.setattr(peers.payment, "BookSession", lost)
    (error,) = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]["userErrors"]
    assert (error["code"], error["retryable"]) == ("TRY_AGAIN", True)
    assert "10.0.0.1" not in error["message"]


@pytest.mark.parametrize("refusal", [TryAgain(), Overloaded(), RuntimeError("boom")])
async def test_an_overloaded_peer_is_try_again(student: Any, script: Any, lesson: Any, refusal: Exception) -> None:
    script.answers["BookSession"] = refusal
    (error,) = (await student.data(BOOK, tutorId=lesson.tutor, time=TIME))["bookSession"]["userErrors"]
    assert (error["code"], error["retryable"]) == ("TRY_AGAIN", True)
    assert "boom" not in error["message"]


async def test_a_call_that_surely_had_no_effect_is_an_internal_error(
    student: Any, script: Any, lesson: Any, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, timeout: float) -> None:
        raise CallFailed(StatusCode.UNIMPLEMENTED, "no such method")

    monkeypatch.setattr(peers.payment, "BookSession", unknown)
    error = await student.error(BOOK, tutorId=lesson.tutor, time=TIME)
    assert (error["code"], error["message"]) == ("INTERNAL", "internal error")


@pytest.mark.parametrize(
    ("proto_field", "argument"),
    [
        ("start_time", "time"),
        ("start", "time"),
        ("tutor_id", "tutorId"),
        ("duration_minutes", "durationMinutes"),
        ("idempotency_key", "idempotencyKey"),
    ],
)
async def test_bad_input_names_the_argument(
    student: Any, script: Any, lesson: Any, proto_field: str, argument: str
) -> None:
    script.answers["BookSession"] = BadInput("cannot be", field=proto_field)
    error = await student.error(BOOK, tutorId=lesson.tutor, time=TIME)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", [argument])
    assert error["message"] == f"{argument}: cannot be"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"time": "2030-01-31T10:00:00"}, "time"),
        ({"time": "tomorrow"}, "time"),
        ({"time": "2030-02-30T10:00:00Z"}, "time"),
        ({"time": "0001-01-01T00:00:00+23:59"}, "time"),
        ({"courseId": ""}, "courseId"),
        ({"courseId": "maths"}, "courseId"),
        ({"key": ""}, "idempotencyKey"),
    ],
)
async def test_an_argument_that_cannot_be_valid_is_refused_at_the_edge(
    student: Any, script: Any, lesson: Any, changed: dict[str, str], field: str
) -> None:
    error = await student.error(BOOK, **{"tutorId": lesson.tutor, "time": TIME} | changed)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", [field])
    assert error["message"].startswith(f"{field}: ")
    assert not script.seen


async def test_a_time_that_is_not_a_string_is_bad_input(student: Any, lesson: Any) -> None:
    assert (await student.error(BOOK, tutorId=lesson.tutor, time=5))["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("role", ["tutor", "admin", "service"])
async def test_only_a_student_books(script: Any, make_person: Callable[..., Any], role: str) -> None:
    error = await make_person(role).error(BOOK, tutorId=str(uuid.uuid4()), time=TIME)
    assert error["code"] == "FORBIDDEN"
    assert not script.seen


async def test_a_zone_and_a_language_go_with_the_order(student: Any, script: Any, lesson: Any) -> None:
    script.answers["BookSession"] = lesson.booked()
    book = """mutation($tutor: ID!) { bookSession(tutorId: $tutor, time: "2030-01-31T09:00:00Z", %s) { sagaId } }"""
    await student.data(book % 'timezone: "Europe/Berlin", locale: "de-DE"', tutor=lesson.tutor)
    asked = script.one("BookSession").request
    assert (asked.timezone, asked.locale) == ("Europe/Berlin", "de-DE")
    for name in ("timezone", "locale"):
        error = await student.error(book % f'{name}: ""', tutor=lesson.tutor)
        assert (error["code"], error["field"]) == ("BAD_USER_INPUT", [name])
    assert len(script.asked("BookSession")) == 1
