"""What a document may cost, measured before it runs: depth, aliases, a price for each field, and values in the answer.

A field that calls a peer has a higher price. The price does not grow with the lists above it, because reads by id are
batched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

from bff.times import parse_time
from mesh.errors import BadInput

MAX_DEPTH, MAX_ALIASES, MAX_COST, MAX_VALUES = 12, 20, 600, 20_000
CALL_COST, FIELD_COST = 10, 1
#: The assumed lengths of lists: of a page what `first` says, or the largest page when `first` is a variable.
PAGE, LARGEST_PAGE, ENTITIES, OTHER_LIST = 20, 100, 100, 10
#: A tutor's free slots start every quarter of an hour, and availability lists at most 31 days of them.
LISTING, SLOT_EVERY, LONGEST_LISTING = "tutorAvailability", timedelta(minutes=15), 31 * 96
#: The fields of introspection, and its lists that lead from type to type. No other field has such a name.
_INTROSPECTION = frozenset({"__schema", "__type"})
LISTS_OF_A_TYPE = frozenset({"fields", "inputFields", "interfaces", "possibleTypes", "enumValues"})

Variables: TypeAlias = Mapping[str, Any]
NO_VARIABLES: Variables = {}


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a selection, its fragments written out."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0
    values: int = 0
    #: How often it asks for the schema, and how deep it nests the lists of a type there.
    introspections: int = 0
    nested: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.cost + other.cost,
            self.values + other.values,
            self.introspections + other.introspections,
            max(self.nested, other.nested),
        )

    def problem(self) -> str:
        """The limit that it breaks, in words; empty when none."""
        if self.depth > MAX_DEPTH:
            return f"the query is nested deeper than {MAX_DEPTH} levels"
        if self.aliases > MAX_ALIASES:
            return f"the query has more than {MAX_ALIASES} aliases"
        if self.cost > MAX_COST:
            return f"the query costs {self.cost}; at most {MAX_COST} is allowed"
        if self.values > MAX_VALUES:
            return f"the query can answer {self.values} values; at most {MAX_VALUES} are allowed"
        if self.introspections > 1:
            return "introspection is answered once, without aliases: one __schema or one __type"
        if self.nested > 1:
            return "introspection does not answer the lists of a type within one another"
        return ""


@dataclass(frozen=True, slots=True)
class Prices:
    """The names of a schema's fields that cost more than others."""

    #: They have a resolver, so they may call a peer.
    calling: frozenset[str]
    #: They take `first`.
    paged: frozenset[str]
    #: They are lists of objects. `nodes` is missing: a page is already counted where it takes `first`.
    lists: frozenset[str]

    @classmethod
    def of(cls, schema: GraphQLSchema) -> Prices:
        fields = list(_composite_fields(schema))
        return cls(
            frozenset(name for name, field in fields if field.resolve is not None),
            frozenset(name for name, field in fields if "first" in field.args),
            frozenset(name for name, field in fields if is_list_type(get_nullable_type(field.type))) - {"nodes"},
        )

    def length(self, node: FieldNode, variables: Variables) -> int:
        """The length of a field's list: the most it can be, or a usual one. 1 for no list."""
        name = node.name.value
        if name == "_entities":
            return ENTITIES
        if name == LISTING:
            return _slot_count(node, variables)
        if name not in self.paged:
            return OTHER_LIST if name in self.lists else 1
        first = _argument(node, "first")
        if isinstance(first, IntValueNode):
            return min(max(int(first.value[:4]), 1), LARGEST_PAGE)
        return LARGEST_PAGE if isinstance(first, VariableNode) else PAGE


def _slot_count(node: FieldNode, variables: Variables) -> int:
    """The number of slots between `from` and `to`; the longest listing when they cannot be read."""
    try:
        begin, end = (parse_time(_text(_argument(node, name), variables), name) for name in ("from", "to"))
    except BadInput:
        return LONGEST_LISTING
    return min(max(math.ceil((end - begin) / SLOT_EVERY), 1), LONGEST_LISTING)


def _text(value: ValueNode | None, variables: Variables) -> str:
    """The text of a literal or of a variable; empty for anything else."""
    if isinstance(value, VariableNode):
        given = variables.get(value.name.value)
        return given if isinstance(given, str) else ""
    return value.value if isinstance(value, StringValueNode) else ""


def _argument(node: FieldNode, name: str) -> ValueNode | None:
    return next((argument.value for argument in node.arguments or () if argument.name.value == name), None)


def _composite_fields(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLField]]:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                if not is_leaf_type(get_named_type(field.type)):
                    yield name, field


def measure(document: DocumentNode, prices: Prices, variables: Variables = NO_VARIABLES) -> Size:
    """The size of all operations of a document. A cycle of fragments counts as nothing; validation refuses it."""
    meter = _Meter(document, prices, variables)
    total = Size()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            total += meter.measure_selections(definition.selection_set)
    return total


class _Meter:
    def __init__(self, document: DocumentNode, prices: Prices, variables: Variables) -> None:
        self._prices, self._variables = prices, variables
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}

    def measure_selections(self, node: SelectionSetNode | None) -> Size:
        total = Size()
        for selection in node.selections if node else ():
            total += self._measure_selection(selection)
        return total

    def _measure_selection(self, node: SelectionNode) -> Size:
        if isinstance(node, FieldNode):
            return self._measure_field(node)
        if isinstance(node, FragmentSpreadNode):
            return self._measure_fragment(node.name.value)
        return self.measure_selections(getattr(node, "selection_set", None))

    def _measure_field(self, node: FieldNode) -> Size:
        name, inside = node.name.value, self.measure_selections(node.selection_set)
        if name in _INTROSPECTION:
            return _introspection(node, inside)
        price = CALL_COST if name in self._prices.calling else FIELD_COST
        return Size(
            inside.depth + 1,
            inside.aliases + (node.alias is not None),
            inside.cost + price,
            _values(node, inside.values * self._prices.length(node, self._variables)),
            inside.introspections,
            inside.nested + (name in LISTS_OF_A_TYPE),
        )

    def _measure_fragment(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = Size()  # what a cycle of fragments finds
            fragment = self._fragments.get(name)
            self._measured[name] = self.measure_selections(fragment.selection_set if fragment else None)
        return self._measured[name]


def _values(node: FieldNode, inside: int) -> int:
    """`__typename` without an alias is free: clients add it everywhere, and it is one word however often it appears."""
    return 0 if node.name.value == "__typename" and node.alias is None else 1 + inside


def _introspection(node: FieldNode, inside: Size) -> Size:
    """The size of an introspection field. Each alias in it may ask for the whole schema once more."""
    aliases = inside.aliases + (node.alias is not None)
    return Size(1, aliases, inside.cost + FIELD_COST, 1 + inside.values, 1 + inside.aliases, inside.nested)
