"""Resolvers of `availability.graphql`."""

from __future__ import annotations

from typing import Any

from ariadne import MutationType, QueryType

from bff.graphql.context import Info
from bff.graphql.convert import availability as convert
from bff.graphql.convert.values import Shape, user
from bff.graphql.errors import field_resolver, mutation_resolver
from bff.peers import READ_SECONDS

query, mutation = QueryType(), MutationType()
BINDABLES = (query, mutation)


@query.field("tutorAvailability")
@field_resolver
async def list_slots(_: None, info: Info, **arguments: Any) -> list[Shape]:
    context = info.context
    reply = await context.call_once(context.peers.availability.ListSlots, convert.list_slots_request(arguments))
    return [convert.slot(slot) for slot in reply.slots]


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
