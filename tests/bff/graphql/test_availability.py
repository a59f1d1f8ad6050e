"""Free slots, and the working hours that a tutor publishes."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.errors import BadInput, Forbidden, NotFound, Refusal
from tutormesh.availability.v1 import availability_pb2
from tutormesh.common.v1.money_pb2 import Money

PUBLISH = """
mutation Publish($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) { tutorId userErrors { code message field retryable } }
}
"""
SLOTS = """
query Slots($tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!, $durationMinutes: Int) {
  tutorAvailability(tutorId: $tutorId, from: $from, to: $to, durationMinutes: $durationMinutes) {
    start end price { amountMinor currency display }
  }
}
"""
HOURS = {
    "timezone": "Europe/Paris",
    "weekly": [{"weekday": "MONDAY", "start": "09:00", "end": "24:00"}],
    "rate": {"amountMinor": 5000, "currency": "EUR"},
}


async def test_a_tutor_publishes_their_own_hours(tutor: Any, script: Any) -> None:
    script.answers["PublishAvailability"] = availability_pb2.PublishAvailabilityResponse()
    payload = (await tutor.data(PUBLISH, input=HOURS | {"bufferMinutes": 10}))["publishAvailability"]
    assert payload == {"tutorId": tutor.id, "userErrors": []}
    request = script.one("PublishAvailability").request
    assert (request.tutor_id, request.timezone) == (tutor.id, "Europe/Paris")
    (window,) = request.weekly
    assert (window.weekday, window.start, window.end) == (availability_pb2.WEEKDAY_MONDAY, "09:00", "24:00")
    assert (request.minimum_notice_minutes, request.buffer_minutes) == (0, 10)
    assert (request.rate.amount_minor, request.rate.currency) == (5000, "EUR")


async def test_a_null_notice_is_zero(tutor: Any, script: Any) -> None:
    script.answers["PublishAvailability"] = availability_pb2.PublishAvailabilityResponse()
    await tutor.data(PUBLISH, input=HOURS | {"minimumNoticeMinutes": None})
    assert script.one("PublishAvailability").request.minimum_notice_minutes == 0


OFFER = {"shortestLessonMinutes": 30, "longestLessonMinutes": 90, "startEveryMinutes": 10, "maximumDaysAhead": 60}
READ_BACK = """
mutation Publish($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) { userErrors { code } schedule {
    timezone weekly { weekday start end } minimumNoticeMinutes bufferMinutes
    shortestLessonMinutes longestLessonMinutes startEveryMinutes maximumDaysAhead rate { amountMinor currency }
  } }
}
"""


async def test_what_lessons_are_offered_is_published_and_read_back(tutor: Any, script: Any) -> None:
    async def echo(
        request: availability_pb2.PublishAvailabilityRequest,
    ) -> availability_pb2.PublishAvailabilityResponse:
        names = {field.name for field in availability_pb2.Schedule.DESCRIPTOR.fields}
        same = {field.name: value for field, value in request.ListFields() if field.name in names}
        return availability_pb2.PublishAvailabilityResponse(schedule=availability_pb2.Schedule(**same))

    script.answers["PublishAvailability"] = echo
    given = HOURS | OFFER | {"minimumNoticeMinutes": 5, "bufferMinutes": 10}
    payload = (await tutor.data(READ_BACK, input=given))["publishAvailability"]
    assert payload == {"userErrors": [], "schedule": given}


@pytest.mark.parametrize("given", [{}, dict.fromkeys(OFFER)])
async def test_a_tutor_who_says_nothing_gets_the_services_usual_offer(
    tutor: Any, script: Any, given: dict[str, None]
) -> None:
    script.answers["PublishAvailability"] = availability_pb2.PublishAvailabilityResponse()
    await tutor.data(PUBLISH, input=HOURS | given)
    request = script.one("PublishAvailability").request
    usual = {"shortest_lesson_minutes": 15, "longest_lesson_minutes": 240}
    usual |= {"start_every_minutes": 15, "maximum_days_ahead": 365}
    for name, value in usual.items():
        assert getattr(request, name) == value if not given else not request.HasField(name)


async def test_a_zero_is_passed_on_to_be_refused(tutor: Any, script: Any) -> None:
    script.answers["PublishAvailability"] = BadInput("must be from 1 to 1440", field="start_every_minutes")
    error = await tutor.error(PUBLISH, input=HOURS | {"startEveryMinutes": 0})
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["input", "startEveryMinutes"])
    assert script.one("PublishAvailability").request.HasField("start_every_minutes")


@pytest.mark.parametrize(
    ("proto_field", "path"),
    [
        ("weekly[0].end", ["input", "weekly", "0", "end"]),
        ("minimum_notice_minutes", ["input", "minimumNoticeMinutes"]),
        ("rate", ["input", "rate"]),
    ],
)
async def test_the_bad_field_of_working_hours_is_named(
    tutor: Any, script: Any, proto_field: str, path: list[str]
) -> None:
    script.answers["PublishAvailability"] = BadInput("cannot be", field=proto_field)
    error = await tutor.error(PUBLISH, input=HOURS)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", path)
    assert error["message"] == f"{'.'.join(path)}: cannot be"


@pytest.mark.parametrize("amount", [2**31, 10**11, -(2**31) - 1])
async def test_an_amount_that_graphql_cannot_tell_is_refused_and_its_field_named(
    tutor: Any, script: Any, amount: int
) -> None:
    error = await tutor.error(PUBLISH, input=HOURS | {"rate": {"amountMinor": amount, "currency": "IDR"}})
    assert error["code"] == "BAD_USER_INPUT"
    assert ".rate.amountMinor:" in error["message"]
    assert not script.seen


async def test_the_largest_rate_is_passed_on(tutor: Any, script: Any) -> None:
    script.answers["PublishAvailability"] = availability_pb2.PublishAvailabilityResponse()
    rate = {"amountMinor": 2**31 - 1, "currency": "IDR"}
    assert (await tutor.data(PUBLISH, input=HOURS | {"rate": rate}))["publishAvailability"]["userErrors"] == []
    assert script.one("PublishAvailability").request.rate.amount_minor == 2**31 - 1


async def test_only_a_tutor_publishes_hours(student: Any, script: Any) -> None:
    assert (await student.error(PUBLISH, input=HOURS))["code"] == "FORBIDDEN"
    assert not script.seen


@pytest.mark.parametrize("refusal", [Forbidden(), NotFound()])
async def test_a_refusal_without_a_user_code_is_an_error(tutor: Any, script: Any, refusal: Refusal) -> None:
    script.answers["PublishAvailability"] = refusal
    assert (await tutor.error(PUBLISH, input=HOURS))["code"] == refusal.reason


async def test_free_slots_are_listed_with_their_price(student: Any, script: Any, lesson: Any) -> None:
    start, end = lesson.booking().start_time, lesson.booking().end_time
    slot = availability_pb2.Slot(start=start, end=end, price=Money(amount_minor=2000, currency="JPY"))
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse(slots=[slot])
    data = await student.data(
        SLOTS, tutorId=lesson.tutor, **{"from": "2030-01-31T00:00:00+01:00", "to": "2030-02-01T00:00Z"}
    )
    price = {"amountMinor": 2000, "currency": "JPY", "display": "¥2,000"}
    assert data["tutorAvailability"] == [
        {"start": "2030-01-31T09:00:00Z", "end": "2030-01-31T10:00:00Z", "price": price}
    ]
    request = script.one("ListSlots").request
    assert (request.tutor_id, request.duration_minutes) == (lesson.tutor, 60)
    assert getattr(request, "from").ToJsonString() == "2030-01-30T23:00:00Z"
    assert request.to.ToJsonString() == "2030-02-01T00:00:00Z"


async def test_an_unknown_tutor_is_not_found(student: Any, script: Any) -> None:
    script.answers["ListSlots"] = Refusal.from_parts("FAILED_PRECONDITION", "TUTOR_NOT_FOUND", "no such tutor")
    error = await student.error(SLOTS, tutorId="t", **{"from": "2030-01-31T00:00:00Z", "to": "2030-02-01T00:00:00Z"})
    assert (error["code"], error["message"]) == ("NOT_FOUND", "no such tutor")
