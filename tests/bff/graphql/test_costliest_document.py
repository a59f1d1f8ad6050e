"""No document is much costlier than a plain one, and each is charged what it costs.

Work is counted in calls of Python functions, so that a busy machine changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from bff.graphql import schema
from bff.graphql.documents import Documents, Reading
from bff.graphql.limits import Size
from bff.graphql.schema.federation import subgraphs
from tests.bff.graphql.costly_documents import search

WHOLE = schema.build()
BOOKINGS = subgraphs(WHOLE)["bookings"]
#: What an app asks for a page of one booking.
PLAIN = """query Page($id: ID!) { booking(id: $id) {
  id status startTime endTime price { display } session { id status } payment { id status } timeline { at event } } }"""
#: The most work that reading any document may be, and the most for each unit that it is charged; in plain documents.
MOST, MOST_PER_UNIT = 40, 6
#: The issue's own documents, and others of their kinds.
SHAPES = {
    "an unused fragment": "{ __typename } fragment A on Booking { " + "session { id } " * 475 + "}",
    "fragments that only unused fragments use": "{ __typename } fragment A on Booking { ...B ...B } fragment B on Booking { "
    + "session { id } " * 400
    + "}",
    "two fragments of one name": "{ ...A } fragment A on Query { __typename } fragment A on Booking { "
    + "session { id } " * 400
    + "}",
    "one name": '{ booking(id: "1") {' + "id " * 585 + "} }",
    "one name by way of an alias": '{ booking(id: "1") {' + "id: status " * 400 + "} }",
    "one name by way of inline fragments": '{ booking(id: "1") {' + "... { id } " * 400 + "} }",
    "one name below one name": "{" + ('booking(id: "1") {' + "id " * 25 + "}") * 20 + "}",
    "unknown names": "{" + " ".join(f"unknown{number}" for number in range(590)) + "}",
    "nearly known names": "{" + " ".join(f"bookin{number}" for number in range(590)) + "}",
    "variables in many operations": " ".join(f"query q{n}($a: [ID!]) {{ ...F }}" for n in range(60))
    + " fragment F on Query { booking(id: ["
    + "$a " * 500
    + "]) { id } }",
    "a long comment": "{ __typename #" + "x" * 90_000 + "\n}",
    "a long string": '{ booking(id: "' + "x" * 90_000 + '") { id } }',
    "a long name": "{ booking" + "x" * 90_000 + " }",
    "many commas": "{ __typename " + "," * 90_000 + "}",
    "many wrong values": "mutation { publishAvailability(input: {weekly: ["
    + '{weekday: MONDAY, start: "", end: ""} ' * 140
    + "]}) { tutorId } }",
    "many wrong arguments": "{ tutorAvailability(" + " ".join(f"a{n}: 1" for n in range(600)) + ") { start } }",
}


def work(do: Callable[[], Any]) -> tuple[int, Any]:
    """The calls of Python functions that this takes, and its result."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = do()
    finally:
        sys.setprofile(before)
    return calls, result


def reading(text: str, part: Any = WHOLE) -> tuple[int, Reading]:
    documents = Documents(part)
    return work(lambda: documents.read(text))


PLAIN_WORK = reading(PLAIN)[0]


def excess(text: str, part: Any = WHOLE) -> float:
    """How near a document's reading comes to a limit: above 1 it is beyond."""
    calls, read = reading(text, part)
    return max(calls / MOST, calls / MOST_PER_UNIT / read.units) / PLAIN_WORK


def test_a_plain_document_costs_one_unit() -> None:
    assert reading(PLAIN)[1].units == 1


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_58_a_known_costly_document_is_a_bounded_multiple_of_a_plain_one(text: str) -> None:
    assert excess(text) <= 1


@pytest.mark.parametrize(("seed", "part"), [(2, BOOKINGS), (6, WHOLE)], ids=["subgraph", "whole"])
def test_58_the_costliest_document_that_a_search_finds_is_a_bounded_multiple_of_a_plain_one(
    seed: int, part: Any
) -> None:
    found, text = search(lambda text: excess(text, part), seed=seed, steps=40)
    assert found <= 1, text[:2000]


def test_58_the_search_finds_what_took_the_edge_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the meter, the same search goes far beyond the limit."""
    monkeypatch.setattr("bff.graphql.documents.measure", lambda *_: Size())
    found, _ = search(excess, seed=6, steps=40)
    assert found > 2
