"""/api/v1/instructors/{uuid}/availability: free slots, and time that a tutor blocks."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID, uuid5

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from bff.http import envelope
from bff.peers import READ_SECONDS
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.fields import Fields
from bff.rest.json_schema import TIME_IN
from bff.rest.operations import IDEMPOTENCY_KEY, describe, in_path, in_query
from bff.rest.shapes import BLOCK, SLOT, to_json
from bff.times import most_slots
from mesh.errors import BadInput, Forbidden, NotFound
from tutormesh.availability.v1 import availability_pb2

KEY = "Idempotency-Key"
DEFAULT_MINUTES = 60
#: The free slots whose text is about as long as what one unit of the rate pays for.
SLOTS_PER_UNIT = 80
PATH = "/api/v1/instructors/{uuid}/availability"
#: Derives our request ids from clients' keys. If it changed, a repeat would no longer be recognized.
NAMESPACE = UUID("5b0c1c1e-7f2d-4c5b-8a53-0f7f0d6c2a11")
NAMES = {"tutor_id": "uuid", "block_id": "blockUuid", "start": "start_time", "end": "end_time"}
OWNERS = frozenset({"tutor", "admin", "service"})
T = TypeVar("T")
#: The offset of a time in a query whose + was not escaped: a query's + is a space.
_BARE_PLUS = re.compile(r" (\d\d:?\d\d)$")


async def list_slots(request: RestRequest) -> Response:
    """200 with the free slots."""
    query = request.query()
    wanted = availability_pb2.ListSlotsRequest(tutor_id=request.path_uuid("uuid"), duration_minutes=_minutes(query))
    begin, end = _time(query, "from"), _time(query, "to")
    getattr(wanted, "from").CopyFrom(begin)
    wanted.to.CopyFrom(end)
    with request.reserve(most_slots(begin.ToDatetime(), end.ToDatetime()) // SLOTS_PER_UNIT):
        reply = await request.peers.availability.ListSlots(wanted, timeout=READ_SECONDS)
    return envelope.success("the free slots", {"slots": [to_json(SLOT, slot) for slot in reply.slots]})


async def block_time(request: RestRequest) -> Response:
    """200 with the blocks: all that were asked for, or a failure and none."""
    fields, tutor = request.read_body(), request.path_uuid("uuid")
    wanted = availability_pb2.BlockTimeRequest(
        tutor_id=tutor,
        blocks=[_read_block(item) for item in fields.objects("blocks")],
        request_id=_request_id(request, tutor),
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


def _request_id(request: RestRequest, tutor: str) -> str:
    """An id for the caller's key; the same key of another caller, or for another tutor, has another id."""
    key = request.http.headers.get(KEY)
    if key is None:
        return ""
    if not 1 <= len(key) <= 255:
        raise BadInput("must have 1 to 255 characters", field=KEY)
    return str(uuid5(NAMESPACE, f"{request.person.id}:{tutor}:{key}"))


def _time(query: Fields, name: str) -> Timestamp:
    return Fields({name: _BARE_PLUS.sub(r"+\1", query.text(name))}).timestamp(name)


def _minutes(query: Fields) -> int:
    text = query.optional_text("duration_minutes")
    if text is None:
        return DEFAULT_MINUTES
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise BadInput("must be a whole number", field="duration_minutes")
    return int(text)


_TUTOR, _BLOCK = in_path("uuid", "The tutor."), in_path("blockUuid", "The block.")
_LIST = describe(
    "slots",
    "A tutor's free slots",
    _TUTOR,
    in_query("from", TIME_IN, "Slots start then or later.", required=True),
    in_query("to", TIME_IN, "Slots start before then. At most 31 days after `from`.", required=True),
    in_query("duration_minutes", {"type": "integer", "minimum": 1, "maximum": 1440, "default": DEFAULT_MINUTES}),
    answer="Slots",
)
_BLOCK_TIME = describe("block", "Take time out", _TUTOR, IDEMPOTENCY_KEY, body="NewBlocks", answer="Blocks")
_UNBLOCK = describe("unblock", "Give blocked time back", _TUTOR, _BLOCK, answer=None)
ENDPOINTS = (
    Endpoint("GET", PATH, ANYBODY, list_slots, _LIST, NAMES),
    Endpoint("POST", f"{PATH}/block", OWNERS, block_time, _BLOCK_TIME, NAMES),
    Endpoint("DELETE", f"{PATH}/block/{{blockUuid}}", OWNERS, remove_block, _UNBLOCK, NAMES),
)
