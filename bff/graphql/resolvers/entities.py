"""What a gateway knows by its key, read together: one call for each type, however many it names (Apollo Federation 2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from bff.graphql import convert
from bff.graphql import convert_courses as shapes
from bff.graphql.context import Info
from bff.graphql.convert import Shape
from bff.graphql.errors import reads
from bff.graphql.loaders import ById, Loaders
from mesh import wire
from mesh.errors import BadInput

Thing = TypeVar("Thing", bound=Message)
Find: TypeAlias = Callable[[Loaders, str], Awaitable[Shape | None]]


def _found(kind: Callable[[Loaders], ById[Thing]], shape: Callable[[Thing], Shape]) -> Find:
    async def find(by_id: Loaders, key: str) -> Shape | None:
        thing = await kind(by_id).find(key)
        return shape(thing) if thing else None

    return find


async def _reference(_: Loaders, key: str) -> Shape:
    """Another service owns it; here it is its id and no more."""
    return {"id": str(wire.uuid(key, "id"))}


_FIND: dict[str, Find] = {
    "Booking": _found(lambda by_id: by_id.bookings, convert.booking),
    "Session": _found(lambda by_id: by_id.sessions, convert.session),
    "Payment": _found(lambda by_id: by_id.payments, convert.payment),
    "Course": _found(lambda by_id: by_id.courses, shapes.course),
    "Enrollment": _found(lambda by_id: by_id.enrollments, shapes.enrollment),
    "User": _reference,
}


@reads
async def entities(query: None, info: Info, representations: list[Any]) -> list[Awaitable[Shape | None]]:
    """The entities named, in their order; null for what is not there, or another person's. At most 200."""
    _ = info.context.person
    if len(representations) > wire.MAX_BATCH:
        raise BadInput(f"must have at most {wire.MAX_BATCH} items", field="representations")
    return [_entity(representation, info) for representation in representations]


@reads
async def _entity(representation: Any, info: Info) -> Shape | None:
    name, key = _named(representation)
    if name not in info.schema.type_map or name not in _FIND:
        raise BadInput("must name entities of this subgraph", field="representations")
    found = await _FIND[name](info.context.by_id, key)
    return {**found, "__typename": name} if found else None


def _named(representation: Any) -> tuple[str, str]:
    """The type and the id of a representation (Federation: `_Any`)."""
    given = representation if isinstance(representation, dict) else {}
    name, key = given.get("__typename"), given.get("id")
    if not isinstance(name, str) or not isinstance(key, str):
        raise BadInput("must be objects with a __typename and an id", field="representations")
    return name, key
