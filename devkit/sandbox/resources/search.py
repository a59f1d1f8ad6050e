"""Stripe's search: `metadata['sagaId']:'…' AND status:'succeeded'`. Source: Stripe, "Search query language"."""

from __future__ import annotations

import re
from typing import Any

from devkit.sandbox.resources.calls import Call
from devkit.sandbox.resources.lists import find_position, limit
from devkit.sandbox.wire.errors import ApiError, Json, missing
from devkit.sandbox.wire.params import whole

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_CLAUSE = re.compile(
    rf"\s*(?P<not>-)?(?:metadata\[(?P<key>{_QUOTED})\]|(?P<field>[a-z_]+))\s*(?P<op>:|>=|<=|>|<)\s*"
    rf"(?P<value>{_QUOTED}|-?[0-9]+|null)\s*"
)
_JOIN = re.compile(r"(AND|OR)\b|(?=\S)", re.IGNORECASE)  # clauses without a word between them are joined by AND
_TEXT = ("status", "currency", "customer")
_NUMBER = ("amount", "created")


def search_payment_intents(call: Call) -> Json:
    """The intents that match the query, newest first. Unlike Stripe's search, this one sees every commit at once."""
    call.params.allow(("query", "limit", "page"))
    query = call.params.text("query")
    if query is None:
        raise missing("query")
    condition, values = _condition(query)
    page, wanted = call.params.text("page"), limit(call)
    if page is not None:
        before = find_position(call, "payment_intent", page, "page")
        condition, values = f"({condition}) and (created, seq) < (?, ?)", [*values, *before]
    found = call.store.select(f"kind = 'payment_intent' and ({condition})", values, limit=wanted + 1)
    data, more = found[:wanted], len(found) > wanted
    next_page = data[-1]["id"] if more else None
    url = "/v1/payment_intents/search"
    return {"object": "search_result", "data": data, "has_more": more, "next_page": next_page, "url": url}


def _condition(query: str) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    joins: set[str] = set()
    at = 0
    while True:
        clause = _CLAUSE.match(query, at)
        if clause is None:
            raise _unparseable()
        conditions.append(_clause(clause, values))
        at = clause.end()
        if at == len(query):
            break
        join = _JOIN.match(query, at)
        assert join is not None  # the clause consumed all spaces, so a word or a clause follows
        joins.add((join[1] or "AND").upper())
        at = join.end()
    if len(joins) > 1:
        raise ApiError("We were unable to parse your search query: AND and OR cannot be combined.", param="query")
    return f" {joins.pop() if joins else 'AND'} ".join(conditions), values


def _clause(clause: re.Match[str], values: list[Any]) -> str:
    if clause["key"] is not None:
        condition = _metadata(clause, values)
    elif clause["field"] in _TEXT and clause["op"] == ":":
        values.append(_unquote(clause["value"]))
        condition = f"json_extract(body, '$.{clause['field']}') = ?"
    elif clause["field"] in _NUMBER:
        values.append(whole(_unquote(clause["value"]), "query"))
        condition = f"json_extract(body, '$.{clause['field']}') {clause['op'].replace(':', '=')} ?"
    else:
        raise _unparseable()
    return f"coalesce({condition}, 0) = {0 if clause['not'] else 1}"


def _metadata(clause: re.Match[str], values: list[Any]) -> str:
    if clause["op"] != ":":
        raise _unparseable()
    entry = "select value from json_each(json_extract(body, '$.metadata')) where key = ?"
    values.append(_unquote(clause["key"]))
    if clause["value"] == "null":
        return f"not exists ({entry})"
    values.append(_unquote(clause["value"]))
    return f"({entry}) = ?"


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "'\"" else text


def _unparseable() -> ApiError:
    return ApiError("We were unable to parse your search query.", param="query")
