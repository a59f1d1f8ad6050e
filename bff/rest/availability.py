"""/api/v1/instructors/{uuid}/availability: free slots, and time taken out."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID, uuid5

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from bff.graphql.loaders import READ_SECONDS
from bff.http import envelope
from bff.rest import shapes
from bff.rest.door import ANYBODY, Asked, Operation
from bff.rest.fields import Fields
from mesh.errors import BadInput, Forbidden, NotFound
from tutormesh.availability.v1 import availability_pb2

KEY = "Idempotency-Key"
DEFAULT_MINUTES = 60
PATH = "/api/v1/instructors/{uuid}/availability"
#: Names what we derive from a client's key; never change it, or repeats stop being repeats.
NAMESPACE = UUID("5b0c1c1e-7f2d-4c5b-8a53-0f7f0d6c2a11")
NAMES = {"tutor_id": "uuid", "block_id": "blockUuid", "start": "start_time", "end": "end_time"}
OWNERS = frozenset({"tutor", "admin", "service"})
T = TypeVar("T")
#: An offset whose + was written into a query as it is, where it means a space.
_BARE_PLUS = re.compile(r" (\d\d:\d\d)$")


async def free(asked: Asked) -> Response:
    """200 with the free slots."""
    query = asked.query()
    request = availability_pb2.ListSlotsRequest(tutor_id=asked.path_uuid("uuid"), duration_minutes=_minutes(query))
    getattr(request, "from").CopyFrom(_time(query, "from"))
    request.to.CopyFrom(_time(query, "to"))
    reply = await asked.mesh.availability.ListSlots(request, timeout=READ_SECONDS)
    return envelope.done("the free slots", {"slots": [shapes.slot(slot) for slot in reply.slots]})


async def block(asked: Asked) -> Response:
    """201 with the blocks, all of them; or none is made."""
    fields, tutor = await asked.body(), asked.path_uuid("uuid")
    request = availability_pb2.BlockTimeRequest(
        tutor_id=tutor,
        blocks=[_wanted(item) for item in fields.objects("blocks")],
        request_id=_request_id(asked, tutor),
    )
    reply = await _own(asked.mesh.availability.BlockTime(request, timeout=READ_SECONDS))
    return envelope.done("the time is blocked", {"blocks": [shapes.block(made) for made in reply.blocks]}, 201)


async def unblock(asked: Asked) -> Response:
    """200 once the time is free again, also when it was before."""
    request = availability_pb2.RemoveBlockRequest(
        tutor_id=asked.path_uuid("uuid"), block_id=asked.path_uuid("blockUuid")
    )
    await _own(asked.mesh.availability.RemoveBlock(request, timeout=READ_SECONDS))
    return envelope.done("the time is free again", None)


async def _own(call: Awaitable[T]) -> T:
    """Who may block time at all, but not this tutor's, is told what they would be told of anything of somebody else's."""
    try:
        return await call
    except Forbidden:
        raise NotFound from None


def _wanted(item: Fields) -> availability_pb2.TimeBlock:
    start, end = item.instant("start_time"), item.instant("end_time")
    if end <= start:
        raise BadInput("must be after start_time", field=item.name("end_time"))
    block = availability_pb2.TimeBlock(reason=item.optional_text("reason") or "")
    block.start.CopyFrom(item.stamp("start_time"))
    block.end.CopyFrom(item.stamp("end_time"))
    return block


def _request_id(asked: Asked, tutor: str) -> str:
    """The key is the caller's own, for this tutor's calendar."""
    key = asked.request.headers.get(KEY)
    if key is None:
        return ""
    if not 1 <= len(key) <= 255:
        raise BadInput("must have 1 to 255 characters", field=KEY)
    return str(uuid5(NAMESPACE, f"{asked.person.id}:{tutor}:{key}"))


def _time(query: Fields, name: str) -> Timestamp:
    return Fields({name: _BARE_PLUS.sub(r"+\1", query.text(name))}).stamp(name)


def _minutes(query: Fields) -> int:
    written = query.optional_text("duration_minutes")
    if written is None:
        return DEFAULT_MINUTES
    if not re.fullmatch(r"\d{1,6}", written, re.ASCII):
        raise BadInput("must be a whole number", field="duration_minutes")
    return int(written)


OPERATIONS = (
    Operation("GET", PATH, ANYBODY, free, NAMES),
    Operation("POST", f"{PATH}/block", OWNERS, block, NAMES),
    Operation("DELETE", f"{PATH}/block/{{blockUuid}}", OWNERS, unblock, NAMES),
)
