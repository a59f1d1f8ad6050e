"""proto ↔ the schema of `availability.graphql`."""

from __future__ import annotations

from uuid import UUID

from bff.block_keys import block_request_id
from bff.graphql.convert.values import (
    DEFAULT_MINUTES,
    Arguments,
    Shape,
    money,
    optional_text,
    or_default,
    read_money,
    read_page,
    user,
)
from bff.times import format_optional_time, format_time, parse_timestamp
from tutormesh.availability.v1 import availability_pb2


def list_slots_request(arguments: Arguments) -> availability_pb2.ListSlotsRequest:
    request = availability_pb2.ListSlotsRequest(
        tutor_id=arguments["tutorId"], duration_minutes=or_default(arguments.get("durationMinutes"), DEFAULT_MINUTES)
    )
    getattr(request, "from").CopyFrom(parse_timestamp(arguments["from"], "from"))
    request.to.CopyFrom(parse_timestamp(arguments["to"], "to"))
    return request


def publish_availability_request(tutor: UUID, given: Arguments) -> availability_pb2.PublishAvailabilityRequest:
    return availability_pb2.PublishAvailabilityRequest(
        tutor_id=str(tutor),
        timezone=given["timezone"],
        weekly=[_window(window) for window in given["weekly"]],
        minimum_notice_minutes=or_default(given.get("minimumNoticeMinutes"), 0),
        buffer_minutes=or_default(given.get("bufferMinutes"), 0),
        rate=read_money(given["rate"]),
        shortest_lesson_minutes=given.get("shortestLessonMinutes"),
        longest_lesson_minutes=given.get("longestLessonMinutes"),
        start_every_minutes=given.get("startEveryMinutes"),
        maximum_days_ahead=given.get("maximumDaysAhead"),
        display_name=optional_text(given, "displayName"),
        listed=given.get("listed"),
    )


def list_blocks_request(tutor: UUID, arguments: Arguments) -> availability_pb2.ListBlocksRequest:
    return availability_pb2.ListBlocksRequest(tutor_id=str(tutor), **read_page(arguments))


def list_tutors_request(arguments: Arguments) -> availability_pb2.ListTutorsRequest:
    return availability_pb2.ListTutorsRequest(**read_page(arguments))


def tutor(value: availability_pb2.ListedTutor) -> Shape:
    return {
        "id": value.tutor_id,
        "tutor": user(value.tutor_id),
        "displayName": value.display_name or None,
        "timezone": value.timezone,
        "rate": money(value.rate),
        "nextFreeTime": format_optional_time(value, "next_free_time"),
    }


def block_time_request(tutor: UUID, arguments: Arguments) -> availability_pb2.BlockTimeRequest:
    block = availability_pb2.TimeBlock(
        start=parse_timestamp(arguments["start"], "start"),
        end=parse_timestamp(arguments["end"], "end"),
        reason=arguments.get("reason") or "",
    )
    key = block_request_id(tutor, str(tutor), arguments.get("idempotencyKey"), "idempotencyKey")
    return availability_pb2.BlockTimeRequest(tutor_id=str(tutor), blocks=[block], request_id=key)


def block(value: availability_pb2.Block) -> Shape:
    start, end = format_time(value.start), format_time(value.end)
    return {"id": value.id, "start": start, "end": end, "reason": value.reason or None}


def schedule(value: availability_pb2.Schedule) -> Shape:
    return {
        "displayName": value.display_name or None,
        "listed": value.listed if value.HasField("listed") else True,  # the version before does not say
        "timezone": value.timezone,
        "weekly": [_shown_window(window) for window in value.weekly],
        "minimumNoticeMinutes": value.minimum_notice_minutes,
        "bufferMinutes": value.buffer_minutes,
        "shortestLessonMinutes": value.shortest_lesson_minutes,
        "longestLessonMinutes": value.longest_lesson_minutes,
        "startEveryMinutes": value.start_every_minutes,
        "maximumDaysAhead": value.maximum_days_ahead,
        "rate": money(value.rate),
    }


def slot(value: availability_pb2.Slot) -> Shape:
    return {"start": format_time(value.start), "end": format_time(value.end), "price": money(value.price)}


def _shown_window(window: availability_pb2.WeeklyWindow) -> Shape:
    weekday = availability_pb2.Weekday.Name(window.weekday).removeprefix("WEEKDAY_")
    return {"weekday": weekday, "start": window.start, "end": window.end}


def _window(window: Arguments) -> availability_pb2.WeeklyWindow:
    weekday = availability_pb2.Weekday.Value(f"WEEKDAY_{window['weekday']}")
    return availability_pb2.WeeklyWindow(weekday=weekday, start=window["start"], end=window["end"])
