"""Stripe's lists: newest first, with ids as cursors and ranges of `created`. Source: Stripe, "Pagination"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devkit.sandbox.resources.calls import Call
from devkit.sandbox.wire.errors import ApiError, Json, no_such
from devkit.sandbox.wire.params import whole

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DEFAULT, _MOST = 10, 100


def retrieve(kind: str) -> Callable[..., Json]:
    """The operation that returns one object of a kind."""
    return lambda call, id: call.get(kind, id)


def listing(kind: str, url: str, *filters: str) -> Callable[[Call], Json]:
    """The operation that lists a kind. `filters` names the columns by which a list can be filtered."""

    def operation(call: Call) -> Json:
        call.params.allow(("limit", "starting_after", "ending_before", "created", *filters))
        conditions: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        for column in filters:
            _filter_by(call, column, conditions, values)
        _filter_by_created(call, conditions, values)
        return _page(call, kind, url, conditions, values)

    return operation


def limit(call: Call) -> int:
    """The page size: 1 to 100, 10 by default."""
    wanted = call.params.integer("limit")
    if wanted is not None and wanted > _MOST:
        message = f"This value must be less than or equal to {_MOST}."
        raise ApiError(message, code="parameter_invalid_integer", param="limit")
    return wanted or _DEFAULT


def _page(call: Call, kind: str, url: str, conditions: list[str], values: list[Any]) -> Json:
    after, before = call.params.text("starting_after"), call.params.text("ending_before")
    if after is not None and before is not None:
        raise ApiError("You cannot specify both starting_after and ending_before.", param="ending_before")
    for name, cursor, comparison in (("starting_after", after, "<"), ("ending_before", before, ">")):
        if cursor is not None:
            conditions.append(f"(created, seq) {comparison} (?, ?)")
            values.extend(find_position(call, kind, cursor, name))
    wanted = limit(call)
    found = call.store.select(" and ".join(conditions), values, newest=before is None, limit=wanted + 1)
    data = found[:wanted] if before is None else found[:wanted][::-1]
    return {"object": "list", "data": data, "has_more": len(found) > wanted, "url": url}


def find_position(call: Call, kind: str, cursor: str, param: str) -> tuple[int, int]:
    """The position of the object that a list is to go on behind. Raises ApiError."""
    position = call.store.position(kind, cursor)
    if position is None:
        raise no_such(kind, cursor, param, 400)
    return position


def _filter_by(call: Call, column: str, conditions: list[str], values: list[Any]) -> None:
    if column == "types":
        wanted = call.params.strings("types")
        if wanted:
            conditions.append(f"type in ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
        return
    value = call.params.text(column)
    if value is None:
        return
    if column == "type" and value.endswith(".*"):  # a group of events: `payment_intent.*`
        conditions.append("substr(type, 1, ?) = ?")
        values.extend((len(value) - 1, value[:-1]))
    else:
        conditions.append(f"{column} = ?")
        values.append(value)


def _filter_by_created(call: Call, conditions: list[str], values: list[Any]) -> None:
    given = call.params.raw.get("created")
    if given is None:
        return
    if not isinstance(given, dict):
        conditions.append("created = ?")
        values.append(whole(given, "created"))
        return
    for name, value in given.items():
        if name not in _COMPARISONS:
            raise ApiError(f"Received unknown parameter: created[{name}]", code="parameter_unknown", param="created")
        conditions.append(f"created {_COMPARISONS[name]} ?")
        values.append(whole(value, f"created[{name}]"))
