"""What a document may cost before anything of it runs: depth, aliases, and a price for each field that calls a peer."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)

MAX_DEPTH, MAX_ALIASES, MAX_COST = 12, 20, 600
CALL_COST, FIELD_COST = 10, 1
#: What leads into introspection; its depth is watched by graphql-core's MaxIntrospectionDepthRule.
_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection amounts to, fragments written out."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(max(self.depth, other.depth), self.aliases + other.aliases, self.cost + other.cost)

    def problem(self) -> str:
        """Which limit it breaks; empty when none."""
        if self.depth > MAX_DEPTH:
            return f"the query is nested deeper than {MAX_DEPTH} levels"
        if self.aliases > MAX_ALIASES:
            return f"the query has more than {MAX_ALIASES} aliases"
        if self.cost > MAX_COST:
            return f"the query costs {self.cost}; at most {MAX_COST} is allowed"
        return ""


def calling_fields(schema: GraphQLSchema) -> frozenset[str]:
    """Names of the fields that have a resolver of their own, which means that they may call a peer."""
    return frozenset(
        name
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if field.resolve is not None and not is_leaf_type(get_named_type(field.type))
    )


def measure(document: DocumentNode, calling: frozenset[str]) -> Size:
    """The size of all operations of a document. A cycle of fragments counts as nothing; validation names it."""
    meter = _Meter(document, calling)
    total = Size()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            total += meter.selections(definition.selection_set)
    return total


class _Meter:
    def __init__(self, document: DocumentNode, calling: frozenset[str]) -> None:
        self._calling = calling
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
        price = CALL_COST if node.name.value in self._calling else FIELD_COST
        return Size(depth, inside.aliases + (node.alias is not None), inside.cost + price)

    def _fragment(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = Size()  # what a cycle finds
            fragment = self._fragments.get(name)
            self._measured[name] = self.selections(fragment.selection_set if fragment else None)
        return self._measured[name]
