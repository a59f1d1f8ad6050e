"""The explorer's own scripts, run by Node as a browser runs them."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLSchema, OperationDefinitionNode, parse, validate
from graphql.execution.values import get_variable_values

from bff.graphql import schema
from devkit.people import COURSES, TUTORS
from tests.bff.node import run

NORA = TUTORS[0]
QUERIES = {
    "subscription { a }": True,
    "subscription S($id: ID!) { a(id: $id) }": True,
    "# query {\nfragment F on T @x(y: 1) { a }\nfragment G on T { b { c } }\nsubscription S { ...F ...G }": True,
    ", \n subscription S { a }": True,
    "{ subscription }": False,
    "query subscription { a }": False,
    'query Q($a: String = "subscription {") { a }': False,
    "query Q { a } # subscription { b }": False,
    'mutation M { a(text: """\nsubscription { b }\n""") }': False,
    "fragment subscription on T { a } query Q { ...subscription }": False,
    "": False,
}
ANSWER = {"a": ['x: "y"', 1.5, True, None], "link": "https://pay.example/1?a=b", "no link": "javascript:alert(1)"}


def with_found(example: dict[str, Any]) -> dict[str, Any]:
    """The example's variables, with a value for the one that the page looks up."""
    found = {"time": "2030-01-31T09:00:00Z", "id": NORA.id, "course": COURSES[0].id}
    name = example.get("find")
    variables: dict[str, Any] = example["variables"]
    return variables | ({name: found[name]} if name else {})


def faults(whole: GraphQLSchema, text: str, variables: dict[str, Any]) -> list[Any]:
    """What is wrong with this operation and its variables."""
    document = parse(text)
    (operation,) = (part for part in document.definitions if isinstance(part, OperationDefinitionNode))
    wrong = get_variable_values(whole, operation.variable_definitions or (), variables)
    return [*validate(whole, document), *(wrong if isinstance(wrong, list) else [])]


async def test_the_examples_are_valid_and_use_the_demo_data() -> None:
    told = await run("console.log(JSON.stringify(examples))")
    whole = schema.build()
    assert len(told["EXAMPLES"]) >= 14
    for name, example in told["EXAMPLES"].items():
        assert faults(whole, example["query"], with_found(example)) == [], name
        assert example.get("role") in (None, "student", "tutor")
    for lookup in told["LOOKUPS"].values():
        assert faults(whole, lookup["query"], lookup["variables"]) == []
    assert {example["find"] for example in told["EXAMPLES"].values() if "find" in example} == {
        *told["LOOKUPS"],
        "course",
    }
    assert (told["NORA"], told["CALCULUS"]) == (NORA.id, COURSES[0].id)


async def test_the_example_of_hours_publishes_the_demo_tutors_own_hours() -> None:
    """Trying it must not spoil the other examples."""
    told = await run("console.log(JSON.stringify(examples.EXAMPLES['Publish hours'].variables.input))")
    assert {(window["start"], window["end"]) for window in told["weekly"]} == {(NORA.start, NORA.end)}
    assert len(told["weekly"]) == 5 and told["timezone"] == NORA.timezone
    assert told["rate"] == {"amountMinor": NORA.rate, "currency": NORA.currency}
    assert (NORA.notice, NORA.buffer) == (0, 0)


async def test_the_first_free_slot_and_the_newest_booking_are_looked_up() -> None:
    script = """const { time, id } = examples.LOOKUPS;
console.log(JSON.stringify([
  time.pick({ tutorAvailability: [{ start: "soon" }, { start: "later" }] }) ?? null,
  time.pick({ tutorAvailability: [] }) ?? null,
  id.pick({ getMyBookings: { nodes: [{ id: "newest" }] } }) ?? null,
  id.pick({ getMyBookings: { nodes: [] } }) ?? null,
]))"""
    assert await run(script) == ["soon", None, "newest", None]


async def test_a_subscription_is_told_from_other_operations() -> None:
    told = await run("console.log(JSON.stringify(given.texts.map(socket.isSubscription)))", texts=list(QUERIES))
    assert dict(zip(QUERIES, told, strict=True)) == QUERIES


async def test_the_filter_keeps_the_rows_that_fit() -> None:
    payment = {"name": "Payment", "fields": [{"name": "refunded"}, {"name": "status"}, {"name": "id"}]}
    query = {
        "name": "Query",
        "fields": [{"name": "booking", "args": [{"name": "id"}]}, {"name": "courses", "args": []}],
    }
    kinds = [payment, query, {"name": "Role", "enumValues": [{"name": "STUDENT"}]}, {"name": "ID"}]
    words = ["", "REFUND", "pay", "id", "stud", "nothing"]
    script = (
        "console.log(JSON.stringify(given.words.map((word) => given.kinds.map((kind) => schema.fitting(kind, word)))))"
    )
    told = await run(script, words=words, kinds=kinds)
    kept = {
        word: [found and [row["name"] for row in found] for found in of] for word, of in zip(words, told, strict=True)
    }
    assert kept == {
        "": [["refunded", "status", "id"], ["booking", "courses"], ["STUDENT"], []],
        "REFUND": [["refunded"], None, None, None],
        "pay": [["refunded", "status", "id"], None, None, None],
        "id": [["id"], ["booking"], None, []],
        "stud": [None, None, ["STUDENT"], None],
        "nothing": [None, None, None, None],
    }


async def test_an_answer_is_shown_whole_and_only_web_addresses_are_links() -> None:
    text = json.dumps(ANSWER, indent=2)
    told = await run("console.log(JSON.stringify(answer.parts(given.text)))", text=text)
    assert "".join(part for _, part in told) == text
    assert [part for kind, part in told if kind == "link"] == ['"https://pay.example/1?a=b"']
    assert [part for kind, part in told if kind == "literal"] == ["1.5", "true", "null"]
    assert [part for kind, part in told if kind == "key"] == ['"a"', '"link"', '"no link"']


async def test_whoever_has_no_good_token_is_told_where_to_get_one() -> None:
    told = await run("""const refused = { errors: [{ extensions: { code: "UNAUTHENTICATED" } }] };
console.log(JSON.stringify([answer.hint(refused, false), answer.hint(refused, true), answer.hint({ data: {} }, true)]))""")
    assert "tutormesh token" in told[0] and "Reload" in told[1] and told[2] == ""
