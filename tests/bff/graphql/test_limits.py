"""A document that costs too much is refused before anything runs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_introspection_query, get_named_type, get_nullable_type, is_list_type, parse

from bff.graphql import documents, schema
from bff.graphql.documents import Documents
from bff.graphql.limits import MAX_ALIASES, MAX_COST, MAX_NODES, Size
from bff.graphql.meter import LISTS_OF_A_TYPE, measure
from bff.graphql.prices import Prices
from tutormesh.availability.v1 import availability_pb2

BUILT = schema.build()
PRICES = Prices.of(BUILT)
CALLING = PRICES.calling
#: The full introspection query of GraphiQL, Apollo's tools and gateways.
FULL = {
    "specified_by_url": True,
    "directive_is_repeatable": True,
    "schema_description": True,
    "input_value_deprecation": True,
}
WHOLE_SLOT = "{ __typename start end price { __typename amountMinor currency display } }"
FREE = f"tutorAvailability(tutorId: $id, from: $from, to: $to) {WHOLE_SLOT}"
DECLARED = "query($id: ID!, $from: AWSDateTime!, $to: AWSDateTime!)"


def size(query: str) -> Size:
    return measure(parse(query), PRICES)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{" + "a {" * 12 + "b" + "}" * 13, "deeper than 12"),
        ("{" + " ".join(f'a{n}: booking(id: "{n}") {{ id }}' for n in range(50)) + "}", "aliases"),
        ("{" + "...F " * 61 + '} fragment F on Query { booking(id: "1") { id } }', "costs"),
        ("{ booking(id: 1) { " + "timeline { at } " * 60 + "} }", "costs"),
        (
            "{ getMyBookings(first: 100) { nodes { " + "session { booking { " * 4 + "id " * 200 + "} }" * 4 + "} } }",
            "values",
        ),
        ("{ __typename " + "# much ado\n" * 300 + "}", "comments"),
        ("{" + "__typename " * 2000 + "}", "tokens"),
        ("{" + "a {" * 900 + "}" * 901, "deep"),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "within itself"),
        ("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }", "one another"),
        ("{ __schema { types { interfaces { possibleTypes { name } } } } }", "one another"),
        ("{ __schema { types { fields { args { type { ofType { fields { name } } } } } } } }", "one another"),
        ("{ __schema { a: types { name } b: types { name } } }", "introspection is answered once"),
        ("{ a: __schema { types { name } } b: __schema { types { name } } }", "introspection is answered once"),
        ('{ __schema { types { name } } __type(name: "Slot") { name } }', "introspection is answered once"),
        ("{ ...S ...S } fragment S on Query { __schema { types { name } } }", "introspection is answered once"),
        (f"{{ courses(first: {'9' * 5000}) {{ nodes {{ id }} }} }}", "more than 40 characters"),
        (f"{{ courses(first: -0.{'9' * 5000}) {{ nodes {{ id }} }} }}", "more than 40 characters"),
        ("{ ...Gone }", "Gone"),
        ("{ nothing }", "nothing"),
        ("{ booking }", "booking"),
        ('subscription { bookingUpdated(bookingId: "1") { id } }', "over a WebSocket only"),
        ("{", "Syntax Error"),
    ],
)
async def test_49_a_bad_or_costly_document_is_refused_before_anything_runs(
    student: Any, script: Any, query: str, says: str
) -> None:
    began = time.monotonic()
    answer = await student.ask(query)
    assert time.monotonic() - began < 2
    assert "data" not in answer
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    assert says in str(answer["errors"])
    assert not script.seen


async def test_a_refused_number_is_not_repeated_in_the_message(student: Any) -> None:
    answer = await student.ask(f"{{ courses(first: {'9' * 5000}) {{ nodes {{ id }} }} }}")
    assert "sys." not in str(answer)
    assert "999" not in str(answer)


@pytest.mark.parametrize("options", [{}, FULL], ids=["plain", "full"])
async def test_the_standard_introspection_query_passes(nobody: Any, options: dict[str, bool]) -> None:
    data = await nobody.data(get_introspection_query(**options))
    assert {kind["name"] for kind in data["__schema"]["types"]} >= {"Booking", "UserErrorCode"}


def test_no_field_of_the_schema_has_the_name_of_an_introspection_list() -> None:
    ours = [kind for kind in BUILT.type_map.values() if not kind.name.startswith("__")]
    assert LISTS_OF_A_TYPE.isdisjoint(name for kind in ours for name in getattr(kind, "fields", ()))


def test_fragments_are_counted_each_time_they_are_spread() -> None:
    fragment = "fragment F on Query { a: booking(id: 1) { session { id } } }"
    assert size("{ ...F } " + fragment) == Size(depth=3, aliases=1, cost=21, values=3)
    assert size("{ ...F ... on Query { ...F } } " + fragment) == Size(depth=3, aliases=2, cost=42, values=6)


@pytest.mark.parametrize("end", ["__typename", "...Gone", "...F0"])
@pytest.mark.parametrize("begin", ["{ ...F0 }", "{ __typename }", "{ __schema { ...F0 } }"])
def test_fragments_that_double_each_time_are_measured_no_further_than_the_limit(begin: str, end: str) -> None:
    doubling = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(100))
    measured = size(f"{begin} {doubling} fragment F100 on Query {{ {end} }}")
    assert measured.nodes == MAX_NODES + 1
    assert "parts" in measured.problem()


def test_all_operations_of_a_document_count_together() -> None:
    assert size("query A { x: __typename } query B { y: __typename }") == Size(depth=1, aliases=2, cost=2, values=2)


def test_the_limits_allow_a_page_of_bookings() -> None:
    booking = "booking(id: 1) { id status price { display } session { id } payment { id } timeline { event } }"
    page = size("{" + " ".join(f"b{n}: {booking}" for n in range(10)) + "}")
    assert (page.aliases, page.problem()) == (10, "")
    assert page.cost <= MAX_COST
    assert page.aliases <= MAX_ALIASES


def test_a_field_with_a_resolver_costs_a_call() -> None:
    assert {"booking", "bookSession", "session", "payment", "timeline"} <= CALLING
    assert CALLING.isdisjoint({"id", "price", "nodes"})


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("{ booking(id: 1) { id price { display } } }", 4),
        ("{ booking(id: 1) { timeline { at event } } }", 2 + 2 * 10),
        ("{ getMyBookings { nodes { id } } }", 1 + 20 * 2),
        ("{ getMyBookings(first: null) { nodes { id } } }", 1 + 20 * 2),
        ("{ getMyBookings(first: 3) { nodes { id session { id } } } }", 1 + 3 * 4),
        ("query($n: Int) { getMyBookings(first: $n) { nodes { id } } }", 1 + 100 * 2),
        (f"{{ getMyBookings(first: {'9' * 9000}) {{ nodes {{ id }} }} }}", 1 + 100 * 2),
        (f"{{ getMyBookings(first: -{'9' * 9000}) {{ nodes {{ id }} }} }}", 1 + 2),
    ],
    ids=lambda given: str(given)[:60],
)
def test_values_are_multiplied_by_the_lengths_of_the_lists_above_them(query: str, values: int) -> None:
    assert size(query).values == values


@pytest.mark.parametrize(
    ("begin", "end", "slots"),
    [
        ('"2030-01-01T00:00:00Z"', '"2030-01-02T00:00:00Z"', 96),
        ('"2030-01-01T00:00:00+02:00"', '"2030-01-01T00:00:01Z"', 9),
        ('"2030-01-02T00:00:00Z"', '"2030-01-01T00:00:00Z"', 1),
        ('"2030-01-01T00:00:00Z"', '"2031-01-01T00:00:00Z"', 2976),
        ('"soon"', '"2030-01-01T00:00:00Z"', 2976),
        ("7", '"2030-01-01T00:00:00Z"', 2976),
        ("$from", '"2030-01-01T00:00:00Z"', 2976),
    ],
)
def test_a_slot_listing_counts_its_possible_slots(begin: str, end: str, slots: int) -> None:
    assert (
        size(f'{{ tutorAvailability(tutorId: "1", from: {begin}, to: {end}) {{ start end }} }}').values == 1 + 2 * slots
    )


def test_a_slot_listing_counts_by_the_values_of_its_variables() -> None:
    day = {"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z"}
    document = parse(f"{DECLARED} {{ {FREE} }}")
    assert measure(document, PRICES, day).values == 1 + 96 * 6
    assert measure(document, PRICES, day | {"to": 7}).values == 1 + 2976 * 6


@pytest.mark.parametrize("door", ["/graphql", "/subgraphs/availability"])
async def test_one_full_slot_listing_is_answered_and_two_are_refused(student: Any, script: Any, door: str) -> None:
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse()
    month = {"id": student.id, "from": "2030-01-01T00:00:00Z", "to": "2030-02-01T00:00:00Z"}
    asker = replace(student, door=door)
    assert await asker.data(f"{DECLARED} {{ {FREE} }}", **month) == {"tutorAvailability": []}
    script.seen.clear()
    refused = await asker.ask(f"{DECLARED} {{ {FREE} again: {FREE} }}", **month)
    assert "values" in refused["errors"][0]["message"]
    assert not script.seen


async def test_a_document_that_is_small_only_with_its_variables_is_measured_each_time(
    student: Any, script: Any
) -> None:
    script.answers["ListSlots"] = availability_pb2.ListSlotsResponse()
    twice = f"{DECLARED} {{ {FREE} again: {FREE} }}"
    told = {"id": student.id, "from": "2030-01-01T00:00:00Z"}
    assert await student.data(twice, **told, to="2030-01-08T00:00:00Z") == {"tutorAvailability": [], "again": []}
    assert "values" in (await student.ask(twice, **told, to="2030-02-01T00:00:00Z"))["errors"][0]["message"]


def test_a_hundred_bookings_with_session_payment_and_timeline_are_allowed() -> None:
    money, parts = "{ amountMinor currency display }", "session { id status meetingLink } timeline { at service event }"
    booking = f"id status startTime price {money} payment {{ id status amount {money} refunded {money} }} {parts}"
    page = size(f"{{ getMyBookings(first: 100) {{ nodes {{ {booking} }} pageInfo {{ endCursor }} }} }}")
    assert page.problem() == ""
    often = size(f"{{ getMyBookings(first: 100) {{ nodes {{ session {{ booking {{ {booking * 4} }} }} }} }} }}")
    assert "values" in often.problem()


def test_a_field_inside_a_list_calls_a_peer_only_through_a_loader() -> None:
    """The price of a call is not multiplied by the lists above it. This test shows why: loaders batch the calls."""
    read_by_id = {"session", "payment", "timeline", "booking", "course"}
    elements = [field.type for kind in BUILT.type_map.values() for field in getattr(kind, "fields", {}).values()]
    listed = {get_named_type(kind) for kind in elements if is_list_type(get_nullable_type(kind))}
    for kind in listed:
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            assert CALLING.intersection(kind.fields) <= read_by_id, kind.name


def test_a_document_is_parsed_once() -> None:
    known = Documents(BUILT)
    assert known.read("{ __typename }").document is known.read("{ __typename }").document


def test_the_least_recently_used_document_leaves_the_cache_and_long_ones_never_enter_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MAX_CACHED", 2)
    monkeypatch.setattr(documents, "MAX_CACHED_LENGTH", 30)
    known = Documents(BUILT)
    kept = known.read("{ a: __typename }").document
    forgotten = known.read("{ b: __typename }").document
    assert known.read("{ a: __typename }").document is kept
    known.read("{ c: __typename }")
    assert known.read("{ b: __typename }").document is not forgotten
    long = "{ __typename " + " " * 30 + "}"
    assert known.read(long).document is not known.read(long).document


def test_a_document_that_overflows_the_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(documents, "measure", too_deep)
    (error,) = Documents(BUILT).read("{ __typename }").problems
    assert error.message == "the query is nested too deeply"
