"""What a document may cost before anything of it runs: depth, aliases, a price for each field that calls a peer, and how
much it can answer. A call's price does not grow with the lists above it: what is read by id is read together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

MAX_DEPTH, MAX_ALIASES, MAX_COST, MAX_VALUES = 12, 20, 600, 20_000
CALL_COST, FIELD_COST = 10, 1
#: How many things a list is taken to hold: a page what `first` says (what it can say, when that is a variable).
PAGE, LARGEST_PAGE, ENTITIES, OTHER_LIST = 20, 100, 100, 10
#: What leads into introspection; its depth is watched by graphql-core's MaxIntrospectionDepthRule.
_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection amounts to, fragments written out."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0
    values: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.cost + other.cost,
            self.values + other.values,
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

    def length(self, node: FieldNode) -> int:
        """How many things a field gives at most, or usually."""
        name = node.name.value
        if name == "_entities":
            return ENTITIES
        if name not in self.paged:
            return OTHER_LIST if name in self.lists else 1
        first = next((argument.value for argument in node.arguments or () if argument.name.value == "first"), None)
        if isinstance(first, IntValueNode):
            return min(max(int(first.value[:4]), 1), LARGEST_PAGE)
        return LARGEST_PAGE if isinstance(first, VariableNode) else PAGE


def _composite_fields(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLField]]:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                if not is_leaf_type(get_named_type(field.type)):
                    yield name, field


def measure(document: DocumentNode, prices: Prices) -> Size:
    """The size of all operations of a document. A cycle of fragments counts as nothing; validation names it."""
    meter = _Meter(document, prices)
    total = Size()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            total += meter.selections(definition.selection_set)
    return total


class _Meter:
    def __init__(self, document: DocumentNode, prices: Prices) -> None:
        self._prices = prices
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
        inside = self.selections(node.selection_set)
        depth = 1 if node.name.value in _INTROSPECTION else inside.depth + 1
        price = CALL_COST if node.name.value in self._prices.calling else FIELD_COST
        values = 1 + inside.values * self._prices.length(node)
        return Size(depth, inside.aliases + (node.alias is not None), inside.cost + price, values)

    def _fragment(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = Size()  # what a cycle finds
            fragment = self._fragments.get(name)
            self._measured[name] = self.selections(fragment.selection_set if fragment else None)
        return self._measured[name]
