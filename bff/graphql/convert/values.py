"""The values that all subgraphs share: money, pages, enums, and arguments with a default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from bff.times import parse_timestamp
from mesh import wire
from mesh.errors import BadInput
from mesh.money import Money
from tutormesh.common.v1 import lists_pb2, money_pb2

DEFAULT_MINUTES, DEFAULT_PAGE = 60, 20

#: A GraphQL object or input object.
Shape = dict[str, Any]
Arguments = dict[str, Any]


def money(value: money_pb2.Money) -> Shape:
    known = Money(value.amount_minor, value.currency)
    return {
        "amountMinor": value.amount_minor,
        "currency": value.currency,
        "display": known.display,
        "decimal": known.decimal,
    }


def read_money(given: Arguments) -> money_pb2.Money:
    return money_pb2.Money(amount_minor=given["amountMinor"], currency=given["currency"])


def read_optional_money(given: Arguments | None) -> money_pb2.Money | None:
    return None if given is None else read_money(given)


class PageReply(Protocol):
    """The answer of a List call, of whatever it lists."""

    next_page_token: str

    @property
    def cursors(self) -> Sequence[str]: ...


def page(nodes: list[Shape], reply: PageReply, arguments: Arguments) -> Shape:
    """A connection as Relay's specification has it ("GraphQL Cursor Connections"); `nodes` beside its edges.

    A service of the version before sends no cursors. Then each edge has that of the page's end.
    """
    behind = list(reply.cursors) or [reply.next_page_token] * len(nodes)
    edges = [{"node": node, "cursor": cursor} for node, cursor in zip(nodes, behind, strict=True)]
    info = {
        "hasNextPage": bool(reply.next_page_token),
        "hasPreviousPage": bool(arguments.get("after")),
        "startCursor": behind[0] or None if behind else None,
        "endCursor": behind[-1] or None if behind else None,
    }
    return {"nodes": nodes, "edges": edges, "pageInfo": info}


def read_page(arguments: Arguments) -> Arguments:
    """The fields of a List request that say which page: `page_size` and `page_token`."""
    size = wire.whole(or_default(arguments.get("first"), DEFAULT_PAGE), "first", 1, wire.MAX_PAGE)
    return {"page_size": size, "page_token": arguments.get("after") or ""}


def read_lessons(arguments: Arguments) -> Arguments:
    """The fields of a List request that say which lessons: `from`, `to` and `role`."""
    begin, end = (
        None if arguments.get(name) is None else parse_timestamp(arguments[name], name) for name in ("from", "to")
    )
    return {"from": begin, "to": end, "role": enum_number(lists_pb2.LessonRole, arguments.get("role"))}


def or_default(value: int | None, default: int) -> int:
    """An argument given as null means its default too."""
    return default if value is None else value


def optional_text(arguments: Arguments, name: str) -> str:
    """The text; empty when absent or null. Empty text is refused: it would be read as no text."""
    text: str | None = arguments.get(name)
    if text == "":
        raise BadInput("must not be empty", field=name)
    return text or ""


def user(id: str) -> Shape:
    """A stub of the entity that another service of the graph owns."""
    return {"id": id}


def enum_name(enum: Any, number: int) -> str:
    """BOOKING_STATUS_CONFIRMED → CONFIRMED."""
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    name: str = enum.Name(number)
    return name.removeprefix(prefix)


def enum_number(enum: Any, name: str | None) -> int:
    """CONFIRMED → BOOKING_STATUS_CONFIRMED; null → BOOKING_STATUS_UNSPECIFIED."""
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    number: int = enum.Value(f"{prefix}{name or 'UNSPECIFIED'}")
    return number
