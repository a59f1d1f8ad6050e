"""Entities that a gateway names by their keys, batched: one call for each type (Apollo Federation 2: `_entities`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from bff.graphql.context import Info
from bff.graphql.convert import bookings, learning, payments, sessions
from bff.graphql.convert.values import Shape, user
from bff.graphql.errors import field_resolver
from bff.graphql.loaders import ById, Loaders
from mesh import wire
from mesh.errors import BadInput

Thing = TypeVar("Thing", bound=Message)
Find: TypeAlias = Callable[[Loaders, str], Awaitable[Shape | None]]


def _by_id(loader: Callable[[Loaders], ById[Thing]], convert: Callable[[Thing], Shape]) -> Find:
    async def find(by_id: Loaders, key: str) -> Shape | None:
        thing = await loader(by_id).find(key)
        return convert(thing) if thing else None

    return find


async def _find_user(_: Loaders, key: str) -> Shape:
    """Another service of the graph owns users. Here a user is an id and no more."""
    return user(str(wire.uuid(key, "id")))


_FIND: dict[str, Find] = {
    "Booking": _by_id(lambda by_id: by_id.bookings, bookings.booking),
    "Session": _by_id(lambda by_id: by_id.sessions, sessions.session),
    "Payment": _by_id(lambda by_id: by_id.payments, payments.payment),
    "Course": _by_id(lambda by_id: by_id.courses, learning.course),
    "Enrollment": _by_id(lambda by_id: by_id.enrollments, learning.enrollment),
    "User": _find_user,
}

#: What everybody may read where PUBLIC_AVAILABILITY is set. Of courses these are the published ones.
OPEN = frozenset({"Course", "User"})


@field_resolver
async def find_entities(_: None, info: Info, representations: list[Any]) -> list[Awaitable[Shape | None]]:
    """The entities in the order of their representations, at most 200. Null for one that this person cannot see.

    An anonymous request gets those of OPEN, while PUBLIC_AVAILABILITY is set; when it names others too, nothing.
    """
    looked_at = representations[: wire.MAX_BATCH]  # more are refused, and cost no look each
    by_id = info.context.open_loaders() if all(map(_is_open, looked_at)) else info.context.by_id
    if len(representations) > wire.MAX_BATCH:
        raise BadInput(f"must have at most {wire.MAX_BATCH} items", field="representations")
    return [_find_entity(representation, info, by_id=by_id) for representation in representations]


def _is_open(representation: Any) -> bool:
    """True unless it names an entity that not everybody may read."""
    name = representation.get("__typename") if isinstance(representation, dict) else None
    return not isinstance(name, str) or name in OPEN


@field_resolver
async def _find_entity(representation: Any, info: Info, *, by_id: Loaders) -> Shape | None:
    name, key = _read_representation(representation)
    if name not in info.schema.type_map or name not in _FIND:
        raise BadInput("must name entities of this subgraph", field="representations")
    found = await _FIND[name](by_id, key)
    return {**found, "__typename": name} if found else None


def _read_representation(representation: Any) -> tuple[str, str]:
    """The type and the id of a representation (Federation: `_Any`)."""
    given = representation if isinstance(representation, dict) else {}
    name, key = given.get("__typename"), given.get("id")
    if not isinstance(name, str) or not isinstance(key, str):
        raise BadInput("must be objects with a __typename and an id", field="representations")
    return name, key
