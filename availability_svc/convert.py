"""Turns requests into domain objects, and domain objects into responses. BadInput names the field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from uuid import UUID
from zoneinfo import available_timezones

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from availability_svc.blocks import WantedBlock
from availability_svc.domain import (
    Block,
    Claim,
    ClaimState,
    ExpectedPrice,
    ListedTutor,
    Offer,
    Order,
    Schedule,
    Span,
    TimedHold,
    Window,
    WorkingHours,
)
from mesh import clock, cursors, wire
from mesh.currencies import find_currency
from mesh.errors import BadInput
from mesh.money import Money
from tutormesh.availability.v1 import availability_pb2 as pb2

MINUTES_A_DAY = 1440
MINUTES_A_YEAR = 525_600
MOST_DAYS_AHEAD = 3650
USUAL = Offer()
MOST_WINDOWS = 100
MOST_BLOCKS = 100
LONGEST_LISTING = timedelta(days=31)
LONGEST_BLOCK = timedelta(days=366)
LONGEST_AMOUNT = 100
LONGEST_NAME = 80
#: Control characters, and the ends of a line or a paragraph (Unicode's general categories).
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
#: Marks that set the direction of the text behind them, also of text that is not the name's (Unicode UAX #9).
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_WEEKDAYS = pb2.Weekday.values()[1:]
_STATES = {
    ClaimState.HELD: pb2.CLAIM_STATE_HELD,
    ClaimState.CONFIRMED: pb2.CLAIM_STATE_CONFIRMED,
    ClaimState.BLOCKED: pb2.CLAIM_STATE_BLOCKED,
}


def schedule(request: pb2.PublishAvailabilityRequest) -> Schedule:
    tutor_id = wire.uuid(request.tutor_id, "tutor_id")
    if request.timezone not in _zones():
        raise BadInput("not an IANA time zone", field="timezone")
    if len(request.weekly) > MOST_WINDOWS:
        raise BadInput(f"must have at most {MOST_WINDOWS} windows", field="weekly")
    windows = {_window(window, f"weekly[{index}]") for index, window in enumerate(request.weekly)}
    offer = _offer(request)
    return Schedule(
        tutor_id,
        WorkingHours(request.timezone, tuple(sorted(windows))),
        wire.whole(request.minimum_notice_minutes, "minimum_notice_minutes", 0, MINUTES_A_YEAR),
        wire.whole(request.buffer_minutes, "buffer_minutes", 0, MINUTES_A_DAY),
        _rate(request, offer),
        offer,
        _display_name(request.display_name),
        request.listed if request.HasField("listed") else True,
    )


def _display_name(value: str) -> str:
    """The tutor's name, one line that people can see; or empty. Marks that turn the text around it are refused."""
    wire.text(value, "display_name", LONGEST_NAME)
    if any(unicodedata.category(char) in _CONTROLS or unicodedata.bidirectional(char) in _TURNS for char in value):
        raise BadInput("must not contain control characters", field="display_name")
    if value and not any(unicodedata.category(char)[0] in "LNPS" for char in value):
        raise BadInput("must not be blank", field="display_name")
    return value


def _rate(request: pb2.PublishAvailabilityRequest, offer: Offer) -> Money:
    """The rate per hour. Refuses one at which a lesson of no offered length can be paid for."""
    rate = wire.money(request, "rate")
    cheapest, dearest = (rate.for_minutes(minutes).amount_minor for minutes in (offer.shortest, offer.longest))
    if rate.amount_minor and not find_currency(rate.currency).can_charge_some(cheapest, dearest):
        lengths = f"{offer.shortest} to {offer.longest} minutes"
        raise BadInput(f"the price of a lesson of {lengths} {rate.payable_amounts}", field="rate")
    return rate


def _offer(request: pb2.PublishAvailabilityRequest) -> Offer:
    shortest = _given(request, "shortest_lesson_minutes", MINUTES_A_DAY, USUAL.shortest)
    longest = _given(request, "longest_lesson_minutes", MINUTES_A_DAY, max(shortest, USUAL.longest))
    if longest < shortest:
        raise BadInput("must not be less than shortest_lesson_minutes", field="longest_lesson_minutes")
    start_every = _given(request, "start_every_minutes", MINUTES_A_DAY, USUAL.start_every)
    return Offer(
        shortest, longest, start_every, _given(request, "maximum_days_ahead", MOST_DAYS_AHEAD, USUAL.days_ahead)
    )


def _given(request: Message, field: str, most: int, default: int) -> int:
    """A whole number of at least 1, or its default when the field is not set."""
    return wire.whole(getattr(request, field), field, 1, most) if request.HasField(field) else default


def to_schedule(schedule: Schedule) -> pb2.Schedule:
    offer = schedule.offer
    return pb2.Schedule(
        tutor_id=str(schedule.tutor_id),
        timezone=schedule.hours.timezone,
        weekly=map(_to_window, schedule.hours.windows),
        minimum_notice_minutes=schedule.notice,
        buffer_minutes=schedule.buffer,
        rate=wire.to_money(schedule.rate),
        shortest_lesson_minutes=offer.shortest,
        longest_lesson_minutes=offer.longest,
        start_every_minutes=offer.start_every,
        maximum_days_ahead=offer.days_ahead,
        display_name=schedule.display_name,
        listed=schedule.is_listed,
    )


def _to_window(window: Window) -> pb2.WeeklyWindow:
    day, start = divmod(window.start, MINUTES_A_DAY)
    end = _time_of_day(window.end - day * MINUTES_A_DAY)
    return pb2.WeeklyWindow(weekday=_WEEKDAYS[day], start=_time_of_day(start), end=end)


def _time_of_day(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@cache
def _zones() -> frozenset[str]:
    """The names of the IANA zones. "localtime" would be this machine's zone, and "Factory" is no zone at all."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _window(window: pb2.WeeklyWindow, field: str) -> Window:
    weekday = wire.whole(window.weekday, f"{field}.weekday", pb2.WEEKDAY_MONDAY, pb2.WEEKDAY_SUNDAY)
    midnight = (weekday - pb2.WEEKDAY_MONDAY) * MINUTES_A_DAY
    start, end = _minute(window.start, f"{field}.start"), _minute(window.end, f"{field}.end")
    if start == MINUTES_A_DAY:
        raise BadInput("must be before 24:00", field=f"{field}.start")
    if start >= end:
        raise BadInput("must be after start", field=f"{field}.end")
    return Window(midnight + start, midnight + end)


def _minute(value: str, field: str) -> int:
    """Minutes since midnight of "HH:MM", up to "24:00"."""
    if not _TIME_OF_DAY.fullmatch(value):
        raise BadInput('must be a time of day such as "09:00"', field=field)
    return int(value[:2]) * 60 + int(value[3:])


def listing(request: pb2.ListSlotsRequest) -> tuple[UUID, Span, int]:
    """The tutor, the range to list, and the length of a slot in minutes."""
    tutor_id = wire.uuid(request.tutor_id, "tutor_id")
    within = Span(wire.instant(request, "from"), wire.instant(request, "to"))
    if within.start >= within.end:
        raise BadInput("must be after from", field="to")
    if within.end - within.start > LONGEST_LISTING:
        raise BadInput("must be at most 31 days after from", field="to")
    return tutor_id, within, wire.whole(request.duration_minutes, "duration_minutes", 1, MINUTES_A_DAY)


def slots_response(free: Sequence[Span], schedule: Schedule, minutes: int) -> pb2.ListSlotsResponse:
    """The slots with their price. Without a slot there is no price: the length may be one that is not offered."""
    if not free:
        return pb2.ListSlotsResponse()
    cost = wire.to_money(schedule.price(minutes))
    return pb2.ListSlotsResponse(
        slots=[pb2.Slot(start=clock.to_proto(slot.start), end=clock.to_proto(slot.end), price=cost) for slot in free]
    )


def order(request: pb2.HoldSlotRequest) -> Order:
    tutor_id, student_id = wire.uuid(request.tutor_id, "tutor_id"), wire.uuid(request.student_id, "student_id")
    if tutor_id == student_id:
        raise BadInput("must be somebody other than the tutor", field="student_id")
    start = _lesson_start(request)
    minutes = wire.whole(request.duration_minutes, "duration_minutes", 1, MINUTES_A_DAY)
    lesson = Span(start, start + timedelta(minutes=minutes))
    return Order(wire.uuid(request.saga_id, "saga_id"), tutor_id, student_id, lesson, _expected(request))


def _expected(request: pb2.HoldSlotRequest) -> ExpectedPrice:
    text = wire.text(request.expected_amount, "expected_amount", LONGEST_AMOUNT)
    if text and not _AMOUNT.fullmatch(text):
        raise BadInput("must be a decimal number without a sign", field="expected_amount")
    return ExpectedPrice(Decimal(text) if text else None, wire.text(request.expected_currency, "expected_currency", 3))


def _lesson_start(request: pb2.HoldSlotRequest) -> datetime:
    """The start of the lesson. BadInput calls the field `start_time`, because that is its name for the edge's users."""
    try:
        start = wire.instant(request, "start")
    except BadInput as error:
        raise BadInput(error.message.removeprefix("start: "), field="start_time") from None
    _must_be_whole(request.start, "start_time")
    return start


def _must_be_whole(stamp: Timestamp, field: str) -> None:
    if stamp.seconds % 60 or stamp.nanos:
        raise BadInput("must be on a whole minute", field=field)


def hold_response(answer: TimedHold) -> pb2.HoldSlotResponse:
    return pb2.HoldSlotResponse(
        availability_block_id=str(answer.hold.block_id),
        price=wire.to_money(answer.hold.price),
        expires_at=clock.to_proto(answer.hold.expires_at),
        seconds_left=answer.seconds_left,
        tutor_name=answer.tutor_name,
        tutor_timezone=answer.tutor_timezone,
    )


def wanted_blocks(request: pb2.BlockTimeRequest) -> list[WantedBlock]:
    """The spans to take out, in the order of the request, each with its reason."""
    if not 1 <= len(request.blocks) <= MOST_BLOCKS:
        raise BadInput(f"must have 1 to {MOST_BLOCKS} blocks", field="blocks")
    result = [_wanted_block(block, f"blocks[{index}]") for index, block in enumerate(request.blocks)]
    spans = sorted((span, index) for index, (span, _) in enumerate(result))
    for (earlier, _), (later, index) in pairwise(spans):
        if earlier.overlaps(later):
            raise BadInput("must not overlap another block", field=f"blocks[{index}]")
    return result


def _wanted_block(block: pb2.TimeBlock, field: str) -> WantedBlock:
    try:
        span = Span(wire.instant(block, "start"), wire.instant(block, "end"))
    except BadInput as error:
        raise BadInput(error.message.removeprefix(f"{error.field}: "), field=f"{field}.{error.field}") from None
    _must_be_whole(block.start, f"{field}.start")
    _must_be_whole(block.end, f"{field}.end")
    if span.start >= span.end:
        raise BadInput("must be after start", field=f"{field}.end")
    if span.end - span.start > LONGEST_BLOCK:
        raise BadInput("must be at most 366 days after start", field=f"{field}.end")
    return span, wire.text(block.reason, f"{field}.reason", 500)


def blocks_response(made: Sequence[Block]) -> pb2.BlockTimeResponse:
    return pb2.BlockTimeResponse(blocks=map(_to_block, made))


def _to_block(block: Block) -> pb2.Block:
    start, end = clock.to_proto(block.span.start), clock.to_proto(block.span.end)
    return pb2.Block(id=str(block.id), start=start, end=end, reason=block.reason)


def blocks_page(found: Sequence[Block], size: int) -> pb2.ListBlocksResponse:
    """The first `size` blocks as a page. `found` has one more when there is a next page."""
    page = cursors.cut(found, size, lambda block: cursors.encode(block.span.start, block.id))
    return pb2.ListBlocksResponse(
        blocks=map(_to_block, page.rows), next_page_token=page.next_page_token, cursors=page.cursors
    )


def tutors_page(found: Sequence[ListedTutor], size: int) -> pb2.ListTutorsResponse:
    """The first `size` tutors as a page. `found` has one more when there is a next page."""
    page = cursors.cut(found, size, lambda tutor: cursors.encode_id(tutor.schedule.tutor_id))
    return pb2.ListTutorsResponse(
        tutors=map(_to_tutor, page.rows), next_page_token=page.next_page_token, cursors=page.cursors
    )


def _to_tutor(tutor: ListedTutor) -> pb2.ListedTutor:
    schedule = tutor.schedule
    return pb2.ListedTutor(
        tutor_id=str(schedule.tutor_id),
        display_name=schedule.display_name,
        timezone=schedule.hours.timezone,
        rate=wire.to_money(schedule.rate),
        next_free_time=clock.to_proto(tutor.next_free),
    )


def claim(value: Claim) -> pb2.Claim:
    return pb2.Claim(
        id=str(value.id),
        calendar_id=str(value.calendar_id),
        saga_id=str(value.saga_id) if value.saga_id else "",
        state=_STATES[value.state],
        start=clock.to_proto(value.span.start),
        end=clock.to_proto(value.span.end),
        expires_at=clock.to_proto(value.expires_at),
    )
