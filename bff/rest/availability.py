"""/api/v1/instructors: who is listed; a tutor's free slots, published hours, and blocked time."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from starlette.responses import Response

from bff.block_keys import block_request_id
from bff.http import envelope
from bff.peers import READ_SECONDS
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.fields import Fields
from bff.rest.json_schema import TIME_IN
from bff.rest.operations import IDEMPOTENCY_KEY, describe, in_path, in_query
from bff.rest.shapes import BLOCK, LISTED_BLOCK, SCHEDULE, SLOT, TUTOR, to_json
from bff.times import most_slots
from mesh import wire
from mesh.errors import BadInput, Forbidden, NotFound
from tutormesh.availability.v1 import availability_pb2

KEY = "Idempotency-Key"
DEFAULT_MINUTES, DEFAULT_PAGE = 60, 20
#: The free slots whose text is about as long as what one unit of the rate pays for.
SLOTS_PER_UNIT = 80
#: The same for tutors.
TUTORS_PER_UNIT = 20
INSTRUCTORS = "/api/v1/instructors"
PATH = f"{INSTRUCTORS}/{{uuid}}/availability"
NAMES = {"tutor_id": "uuid", "block_id": "blockUuid", "start": "start_time", "end": "end_time"}
NAMES_OF_PAGES = NAMES | {"page_size": "first", "page_token": "after"}
OWNERS = frozenset({"tutor", "admin", "service"})
T = TypeVar("T")


async def list_tutors(request: RestRequest) -> Response:
    """200 with a page of the tutors who want to be listed."""
    query = request.query()
    query.require_only("first", "after")
    size = wire.whole(query.query_number("first", DEFAULT_PAGE), "first", 1, wire.MAX_PAGE)
    wanted = availability_pb2.ListTutorsRequest(page_size=size, page_token=query.optional_text("after") or "")
    with request.reserve(size // TUTORS_PER_UNIT):
        reply = await request.peers.availability.ListTutors(wanted, timeout=READ_SECONDS)
    instructors = [to_json(TUTOR, tutor) for tutor in reply.tutors]
    end = reply.cursors[-1] if reply.cursors else None
    page = {"instructors": instructors, "has_next_page": bool(reply.next_page_token), "end_cursor": end}
    return envelope.success("the listed tutors", page)


async def list_slots(request: RestRequest) -> Response:
    """200 with the free slots."""
    query = request.query()
    wanted = availability_pb2.ListSlotsRequest(tutor_id=request.path_uuid("uuid"))
    wanted.duration_minutes = query.query_number("duration_minutes", DEFAULT_MINUTES)
    begin, end = query.query_timestamp("from"), query.query_timestamp("to")
    getattr(wanted, "from").CopyFrom(begin)
    wanted.to.CopyFrom(end)
    with request.reserve(most_slots(begin.ToDatetime(), end.ToDatetime()) // SLOTS_PER_UNIT):
        reply = await request.peers.availability.ListSlots(wanted, timeout=READ_SECONDS)
    return envelope.success("the free slots", {"slots": [to_json(SLOT, slot) for slot in reply.slots]})


async def show_schedule(request: RestRequest) -> Response:
    """200 with what the tutor has published; 404 when there is nothing."""
    wanted = availability_pb2.GetScheduleRequest(tutor_id=request.path_uuid("uuid"))
    reply = await _hide_forbidden(request.peers.availability.GetSchedule(wanted, timeout=READ_SECONDS))
    return envelope.success("what is published", to_json(SCHEDULE, reply.schedule))


async def list_blocks(request: RestRequest) -> Response:
    """200 with a page of the blocks that have not ended."""
    query = request.query()
    query.require_only("first", "after")
    wanted = availability_pb2.ListBlocksRequest(
        tutor_id=request.path_uuid("uuid"),
        page_size=wire.whole(query.query_number("first", DEFAULT_PAGE), "first", 1, wire.MAX_PAGE),
        page_token=query.optional_text("after") or "",
    )
    reply = await _hide_forbidden(request.peers.availability.ListBlocks(wanted, timeout=READ_SECONDS))
    blocks = [to_json(LISTED_BLOCK, block) for block in reply.blocks]
    end = reply.cursors[-1] if reply.cursors else None
    page = {"blocks": blocks, "has_next_page": bool(reply.next_page_token), "end_cursor": end}
    return envelope.success("the blocked times", page)


async def block_time(request: RestRequest) -> Response:
    """200 with the blocks: all that were asked for, or a failure and none."""
    fields, tutor = request.read_body(), request.path_uuid("uuid")
    wanted = availability_pb2.BlockTimeRequest(
        tutor_id=tutor,
        blocks=[_read_block(item) for item in fields.objects("blocks")],
        request_id=block_request_id(request.person.id, tutor, request.http.headers.get(KEY), KEY),
    )
    reply = await _hide_forbidden(request.peers.availability.BlockTime(wanted, timeout=READ_SECONDS))
    return envelope.success("the time is blocked", {"blocks": [to_json(BLOCK, made) for made in reply.blocks]})


async def remove_block(request: RestRequest) -> Response:
    """200 once the time is free, also when it was free before."""
    wanted = availability_pb2.RemoveBlockRequest(
        tutor_id=request.path_uuid("uuid"), block_id=request.path_uuid("blockUuid")
    )
    await _hide_forbidden(request.peers.availability.RemoveBlock(wanted, timeout=READ_SECONDS))
    return envelope.success("the time is free again", None)


async def _hide_forbidden(call: Awaitable[T]) -> T:
    """Another tutor's calendar answers NotFound, as another person's things always do."""
    try:
        return await call
    except Forbidden:
        raise NotFound from None


def _read_block(item: Fields) -> availability_pb2.TimeBlock:
    start, end = item.time("start_time"), item.time("end_time")
    if end <= start:
        raise BadInput("must be after start_time", field=item.name("end_time"))
    block = availability_pb2.TimeBlock(reason=item.optional_text("reason") or "")
    block.start.CopyFrom(item.timestamp("start_time"))
    block.end.CopyFrom(item.timestamp("end_time"))
    return block


_TUTOR, _BLOCK = in_path("uuid", "The tutor."), in_path("blockUuid", "The block.")
_PAGE = (
    in_query("first", {"type": "integer", "minimum": 1, "maximum": wire.MAX_PAGE, "default": DEFAULT_PAGE}),
    in_query("after", {"type": "string"}, "The end_cursor of the page before."),
)
_LIST_TUTORS = describe(
    "instructors", "The tutors who have published hours and want to be listed", *_PAGE, answer="Instructors"
)
_LIST = describe(
    "slots",
    "A tutor's free slots",
    _TUTOR,
    in_query("from", TIME_IN, "Slots start then or later.", required=True),
    in_query("to", TIME_IN, "Slots start before then. At most 31 days after `from`.", required=True),
    in_query("duration_minutes", {"type": "integer", "minimum": 1, "maximum": 1440, "default": DEFAULT_MINUTES}),
    answer="Slots",
)
_SCHEDULE = describe("schedule", "What a tutor has published", _TUTOR, answer="Schedule")
_LIST_BLOCKS = describe(
    "blocks",
    "The times that a tutor has blocked and that have not ended, soonest first",
    _TUTOR,
    *_PAGE,
    answer="BlockPage",
)
_BLOCK_TIME = describe("block", "Take time out", _TUTOR, IDEMPOTENCY_KEY, body="NewBlocks", answer="Blocks")
_UNBLOCK = describe("unblock", "Give blocked time back", _TUTOR, _BLOCK, answer=None)
ENDPOINTS = (
    Endpoint("GET", INSTRUCTORS, ANYBODY, list_tutors, _LIST_TUTORS, NAMES_OF_PAGES, is_open=True),
    Endpoint("GET", PATH, ANYBODY, list_slots, _LIST, NAMES, is_open=True),
    Endpoint("GET", f"{PATH}/schedule", OWNERS, show_schedule, _SCHEDULE, NAMES),
    Endpoint("GET", f"{PATH}/blocks", OWNERS, list_blocks, _LIST_BLOCKS, NAMES_OF_PAGES),
    Endpoint("POST", f"{PATH}/block", OWNERS, block_time, _BLOCK_TIME, NAMES),
    Endpoint("DELETE", f"{PATH}/block/{{blockUuid}}", OWNERS, remove_block, _UNBLOCK, NAMES),
)
