"""What a document may cost before anything of it runs: depth, aliases, a price for each field that calls a peer, and how
much it can answer. A call's price does not grow with the lists above it: what is read by id is read together."""

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

from bff.graphql.scalars import instant
from mesh.errors import BadInput

MAX_DEPTH, MAX_ALIASES, MAX_COST, MAX_VALUES = 12, 20, 600, 20_000
CALL_COST, FIELD_COST = 10, 1
#: How many things a list is taken to hold: a page what `first` says (what it can say, when that is a variable).
PAGE, LARGEST_PAGE, ENTITIES, OTHER_LIST = 20, 100, 100, 10
#: A tutor's free times come every quarter of an hour, and availability lists at most 31 days of them.
LISTING, SLOT_EVERY, LONGEST_LISTING = "tutorAvailability", timedelta(minutes=15), 31 * 96
#: What leads into introspection, and the lists that lead from types to types; no field of ours has such a name.
_INTROSPECTION = frozenset({"__schema", "__type"})
LISTS_OF_A_TYPE = frozenset({"fields", "inputFields", "interfaces", "possibleTypes", "enumValues"})

Variables: TypeAlias = Mapping[str, Any]
NONE_GIVEN: Variables = {}


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection amounts to, fragments written out."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0
    values: int = 0
    #: How often it asks for the schema, and how far the lists of a type lie within one another there.
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
        """Which limit it breaks; empty when none."""
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
    """The fields of a schema, by name, that cost more than others."""

    #: They have a resolver of their own, which means that they may call a peer.
    calling: frozenset[str]
    #: They take `first`.
    paged: frozenset[str]
    #: They are lists of other things than leaves. The nodes of a page have been counted with the page.
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
        """How many things a field gives at most, or usually."""
        name = node.name.value
        if name == "_entities":
            return ENTITIES
        if name == LISTING:
            return _slots(node, variables)
        if name not in self.paged:
            return OTHER_LIST if name in self.lists else 1
        first = _argument(node, "first")
        if isinstance(first, IntValueNode):
            return min(max(int(first.value[:4]), 1), LARGEST_PAGE)
        return LARGEST_PAGE if isinstance(first, VariableNode) else PAGE


def _slots(node: FieldNode, variables: Variables) -> int:
    """How many times lie between `from` and `to`; as many as can be listed when that is not known."""
    try:
        begin, end = (instant(_text(_argument(node, name), variables), name) for name in ("from", "to"))
    except BadInput:
        return LONGEST_LISTING
    return min(max(math.ceil((end - begin) / SLOT_EVERY), 1), LONGEST_LISTING)


def _text(value: ValueNode | None, variables: Variables) -> str:
    """The text that was written, or given for a variable; empty for anything else."""
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


def measure(document: DocumentNode, prices: Prices, variables: Variables = NONE_GIVEN) -> Size:
    """The size of all operations of a document. A cycle of fragments counts as nothing; validation names it."""
    meter = _Meter(document, prices, variables)
    total = Size()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            total += meter.selections(definition.selection_set)
    return total


class _Meter:
    def __init__(self, document: DocumentNode, prices: Prices, variables: Variables) -> None:
        self._prices, self._variables = prices, variables
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}

    def selections(self, node: SelectionSetNode | None) -> Size:
        total = Size()
        for selection in node.selections if node else ():
            total += self._selection(selection)
        return total

    def _selection(self, node: SelectionNode) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        return self.selections(getattr(node, "selection_set", None))

    def _field(self, node: FieldNode) -> Size:
        name, inside = node.name.value, self.selections(node.selection_set)
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

    def _fragment(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = Size()  # what a cycle finds
            fragment = self._fragments.get(name)
            self._measured[name] = self.selections(fragment.selection_set if fragment else None)
        return self._measured[name]


def _values(node: FieldNode, inside: int) -> int:
    """Clients put `__typename` everywhere; where it is not renamed it is one word, however often it is asked for."""
    return 0 if node.name.value == "__typename" and node.alias is None else 1 + inside


def _introspection(node: FieldNode, inside: Size) -> Size:
    """What asks for the schema. An alias in it asks once more for something that may be all of it."""
    aliases = inside.aliases + (node.alias is not None)
    return Size(1, aliases, inside.cost + FIELD_COST, 1 + inside.values, 1 + inside.aliases, inside.nested)
