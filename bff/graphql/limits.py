"""The limits of a GraphQL document, and what a document is charged."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_DEPTH, MAX_ALIASES, MAX_COST, MAX_VALUES, MAX_ITEMS = 12, 20, 600, 20_000, 10_000
#: Fields, fragments, arguments and values of a document, each fragment written out wherever it is spread.
MAX_NODES = 3000
#: How often one name may stand in one selection set, fragments and equal fields merged. Validation compares each pair.
MAX_REPEATS = 25
#: What one unit of the rate pays for. A plain request costs one unit. `tests/bff/graphql/test_costliest_document.py`
#: compares these numbers with the work that documents really make.
COST_PER_UNIT, VALUES_PER_UNIT, ITEMS_PER_UNIT, INTROSPECTION_UNITS = 60, 500, 300, 15
#: The same for a document that has to be read first, because the edge does not remember it.
TOKENS_PER_UNIT, CHARACTERS_PER_UNIT, NODES_PER_UNIT, PAIRS_PER_UNIT = 200, 10_000, 200, 200


@dataclass(slots=True)
class Size:
    """The size of a document: of all its operations, and of the fragments that no operation uses."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0
    values: int = 0
    #: How often it asks for the schema, and how deep it nests the lists of a type there.
    introspections: int = 0
    nested: int = 0
    #: The items of all lists in the answer.
    items: int = field(default=0, compare=False)
    nodes: int = field(default=0, compare=False)
    #: How often the most frequent name stands in one selection set, and the pairs of equal names in all of them.
    repeats: int = field(default=0, compare=False)
    pairs: int = field(default=0, compare=False)

    def problem(self) -> str:
        """The limit that it breaks, in words; empty when none."""
        if self.nodes > MAX_NODES:  # then the rest is not measured to its end
            return f"the query has more than {MAX_NODES} parts, its fragments written out"
        if self.depth > MAX_DEPTH:
            return f"the query is nested deeper than {MAX_DEPTH} levels"
        if self.aliases > MAX_ALIASES:
            return f"the query has more than {MAX_ALIASES} aliases"
        if self.cost > MAX_COST:
            return f"the query costs {self.cost}; at most {MAX_COST} is allowed"
        if self.values > MAX_VALUES:
            return f"the query can answer {self.values} values; at most {MAX_VALUES} are allowed"
        if self.items > MAX_ITEMS:
            return f"the query can list {self.items} items; at most {MAX_ITEMS} are allowed"
        if self.introspections > 1:
            return "introspection is answered once, without aliases: one __schema or one __type"
        if self.nested > 1:
            return "introspection does not answer the lists of a type within one another"
        if self.repeats > MAX_REPEATS:
            return f"a name stands more than {MAX_REPEATS} times in one selection set"
        return ""

    def units_to_run(self) -> int:
        """The units of the rate for running it, the unit of a plain request included."""
        return 1 + self.cost // COST_PER_UNIT + self.units_of_answer() + INTROSPECTION_UNITS * self.introspections

    def units_of_answer(self) -> int:
        """The units for the largest answer that it can have."""
        return self.values // VALUES_PER_UNIT + self.items // ITEMS_PER_UNIT

    def units_to_validate(self) -> int:
        """The units for validating it. A document that is too large is not validated."""
        return self.nodes // NODES_PER_UNIT + self.pairs // PAIRS_PER_UNIT


def units_to_parse(tokens: int, characters: int) -> int:
    """The units for parsing a document."""
    return tokens // TOKENS_PER_UNIT + characters // CHARACTERS_PER_UNIT
