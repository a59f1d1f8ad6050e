"""Which media type an answer has (RFC 9110, 12.5.1: Accept), and with which HTTP status (GraphQL over HTTP, 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

JSON, GRAPHQL_JSON, HTML = "application/json", "application/graphql-response+json", "text/html"
#: For each media range the type that it stands for. Who names no type gets JSON, as clients from before the standard expect.
_RANGES = {JSON: JSON, GRAPHQL_JSON: GRAPHQL_JSON, "*/*": JSON, "application/*": JSON}
_STATUS_OF_CODE = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}


def choose_type(accept: str) -> str | None:
    """The type that a client likes best, of those that it names equally the first. None when it takes neither of ours."""
    if not accept.strip():
        return JSON
    ranked = [(weight, _RANGES[name]) for name, weight in _media_ranges(accept) if name in _RANGES and weight > 0]
    return max(ranked, key=lambda ranked_type: ranked_type[0])[1] if ranked else None


def wants_page(accept: str) -> bool:
    """True for a browser that opens the address: it names HTML, and neither of the types of an answer."""
    names = {name for name, weight in _media_ranges(accept) if weight > 0}
    return HTML in names and not names & {JSON, GRAPHQL_JSON}


def choose_status(answer: dict[str, Any], media_type: str) -> int:
    """The HTTP status of an answer. JSON has always been sent with 200; the other type has 4xx or 5xx without `data`."""
    if media_type == JSON or "data" in answer:
        return 200
    return _STATUS_OF_CODE.get(answer["errors"][0]["extensions"]["code"], 400)


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        yield name, _weight(parameters)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
