"""Resolvers of `availability.graphql`."""

from __future__ import annotations

from typing import Any

from ariadne import MutationType, QueryType

from bff.graphql.context import Info
from bff.graphql.convert import availability as convert
from bff.graphql.convert.values import Shape, page, user
from bff.graphql.errors import field_resolver, mutation_resolver
from bff.peers import READ_SECONDS
from mesh.errors import Refusal
from tutormesh.availability.v1 import availability_pb2

query, mutation = QueryType(), MutationType()
BINDABLES = (query, mutation)


@query.field("tutorAvailability")
@field_resolver
async def list_slots(_: None, info: Info, **arguments: Any) -> list[Shape]:
    context = info.context
    list_slots = context.open_peers().availability.ListSlots
    reply = await context.call_once(list_slots, convert.list_slots_request(arguments))
    return [convert.slot(slot) for slot in reply.slots]


@query.field("tutors")
@field_resolver
async def list_tutors(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    list_tutors = context.open_peers().availability.ListTutors
    reply = await context.call_once(list_tutors, convert.list_tutors_request(arguments))
    return page([convert.tutor(tutor) for tutor in reply.tutors], reply, arguments)


@query.field("myAvailability")
@field_resolver
async def get_my_schedule(_: None, info: Info) -> Shape | None:
    context = info.context
    request = availability_pb2.GetScheduleRequest(tutor_id=str(context.person.id))
    try:
        reply = await context.call_once(context.peers.availability.GetSchedule, request)
    except Refusal as refusal:
        if refusal.reason == "TUTOR_NOT_FOUND":
            return None
        raise
    return convert.schedule(reply.schedule)


@query.field("myBlocks")
@field_resolver
async def list_my_blocks(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_blocks_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.availability.ListBlocks, request)
    return page([convert.block(block) for block in reply.blocks], reply, arguments)


@mutation.field("blockTime")
@mutation_resolver
async def block_time(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.block_time_request(context.require_role("tutor").id, arguments)
    reply = await context.peers.availability.BlockTime(request, timeout=READ_SECONDS)
    return {"block": convert.block(reply.blocks[0]), "userErrors": []}


@mutation.field("removeBlock")
@mutation_resolver
async def remove_block(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    tutor = str(context.require_role("tutor").id)
    request = availability_pb2.RemoveBlockRequest(tutor_id=tutor, block_id=arguments["id"])
    await context.peers.availability.RemoveBlock(request, timeout=READ_SECONDS)
    return {"blockId": request.block_id, "userErrors": []}


@mutation.field("publishAvailability")
@mutation_resolver
async def publish_availability(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.publish_availability_request(context.require_role("tutor").id, arguments["input"])
    reply = await context.peers.availability.PublishAvailability(request, timeout=READ_SECONDS)
    schedule = convert.schedule(reply.schedule) if reply.HasField("schedule") else None  # the version before says none
    return {
        "tutorId": request.tutor_id,
        "tutor": user(request.tutor_id),
        "schedule": schedule,
        "userErrors": [],
    }
