"""The price of each field of a schema, and the assumed length of its lists.

A field that calls a peer has a higher price. The price does not grow with the lists above it, because reads by id are
batched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

from bff.times import LONGEST_LISTING, most_slots, parse_time
from mesh.errors import BadInput

CALL_COST, FIELD_COST = 10, 1
#: The assumed lengths of lists: of a page what `first` says, or the largest page when `first` is a variable.
PAGE, LARGEST_PAGE, ENTITIES, OTHER_LIST = 20, 100, 100, 10
LISTING = "tutorAvailability"

Variables: TypeAlias = Mapping[str, Any]
NO_VARIABLES: Variables = {}


@dataclass(frozen=True, slots=True)
class Prices:
    """The names of a schema's fields that cost more than others."""

    #: They have a resolver, so they may call a peer.
    calling: frozenset[str]
    #: They take `first`.
    paged: frozenset[str]
    #: They are lists of objects. `nodes` and `edges` are missing: a page is already counted where it takes `first`.
    lists: frozenset[str]

    @classmethod
    def of(cls, schema: GraphQLSchema) -> Prices:
        fields = list(_composite_fields(schema))
        return cls(
            frozenset(name for name, field in fields if field.resolve is not None),
            frozenset(name for name, field in fields if "first" in field.args),
            frozenset(name for name, field in fields if is_list_type(get_nullable_type(field.type)))
            - {"nodes", "edges"},
        )

    def price(self, name: str) -> int:
        return CALL_COST if name in self.calling else FIELD_COST

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
    return most_slots(begin, end)


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
