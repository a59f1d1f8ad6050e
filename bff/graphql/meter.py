"""Measures a document before any validation rule runs: every definition of it, with its fragments written out.

Validation looks at fragments that nothing uses, too. So the meter does, and it stops once the document is too large:
what it does is bounded by MAX_NODES, whatever the document is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from bff.graphql.limits import MAX_NODES, Size
from bff.graphql.prices import FIELD_COST, NO_VARIABLES, Prices, Variables

#: The fields of introspection, and its lists that lead from type to type. No other field has such a name.
_INTROSPECTION = frozenset({"__schema", "__type"})
LISTS_OF_A_TYPE = frozenset({"fields", "inputFields", "interfaces", "possibleTypes", "enumValues"})


def measure(document: DocumentNode, prices: Prices, variables: Variables = NO_VARIABLES) -> Size:
    """The size of all operations, and of the fragments that they do not use.

    A cycle of fragments counts as nothing; validation refuses it. Of a document that is too large not all is measured.
    """
    meter = _Meter(document, prices, variables)
    with contextlib.suppress(_TooLarge):
        meter.measure()
    return meter.size


class _TooLarge(Exception):
    """The rest of the document need not be measured."""


@dataclass(slots=True)
class _Merged:
    """How often a name stands in a selection set, and what stands below all of these fields."""

    count: int = 0
    below: dict[str, _Merged] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a selection stands: what is above it."""

    merged: dict[str, _Merged]
    depth: int = 1
    #: The values that each field here can answer, by the lists above it.
    times: int = 1
    in_introspection: bool = False
    nested: int = 0


class _Meter:
    def __init__(self, document: DocumentNode, prices: Prices, variables: Variables) -> None:
        self.size = Size()
        self._prices, self._variables, self._definitions = prices, variables, document.definitions
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._used: set[str] = set()
        #: The fragments that are being written out, to end a cycle.
        self._open: set[str] = set()

    def measure(self) -> None:
        for definition in self._definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._count_nodes(definition.directives)
                self._measure_selections(definition.selection_set, _Place({}))
        for definition in self._definitions:  # two of one name too
            if isinstance(definition, FragmentDefinitionNode) and self._is_unused(definition):
                self._count_nodes(definition.directives)
                self._measure_fragment(definition, _Place({}))

    def _is_unused(self, fragment: FragmentDefinitionNode) -> bool:
        name = fragment.name.value
        return name not in self._used or self._fragments[name] is not fragment

    def _measure_selections(self, node: SelectionSetNode | None, place: _Place) -> None:
        for selection in node.selections if node else ():
            self._measure_selection(selection, place)

    def _measure_selection(self, node: SelectionNode, place: _Place) -> None:
        self._count_node()
        self._count_nodes(node.directives)
        if isinstance(node, FieldNode):
            self._measure_field(node, place)
        elif isinstance(node, FragmentSpreadNode):
            fragment = self._fragments.get(node.name.value)
            if fragment is not None:
                self._measure_fragment(fragment, place)
        else:
            self._measure_selections(getattr(node, "selection_set", None), place)

    def _measure_fragment(self, fragment: FragmentDefinitionNode, place: _Place) -> None:
        name = fragment.name.value
        self._used.add(name)
        if name not in self._open:
            self._open.add(name)
            self._measure_selections(fragment.selection_set, place)
            self._open.discard(name)

    def _measure_field(self, node: FieldNode, place: _Place) -> None:
        self._count_nodes(node.arguments)
        merged = self._merge((node.alias or node.name).value, place)
        name, size = node.name.value, self.size
        size.aliases += node.alias is not None
        size.depth = max(size.depth, place.depth)
        # `__typename` is no value without an alias: clients add it everywhere, and it is one word however often it stands.
        size.values += 0 if name == "__typename" and node.alias is None else place.times
        size.cost += FIELD_COST if name in _INTROSPECTION else self._prices.price(name)
        size.introspections += name in _INTROSPECTION or (place.in_introspection and node.alias is not None)
        nested = place.nested + (name in LISTS_OF_A_TYPE)
        size.nested = max(size.nested, nested)
        self._measure_selections(node.selection_set, self._below(node, place, merged, nested))

    def _below(self, node: FieldNode, place: _Place, merged: _Merged, nested: int) -> _Place:
        """The place of a field's own selections. In introspection they are at the same depth."""
        if place.in_introspection or node.name.value in _INTROSPECTION:
            return replace(place, merged=merged.below, in_introspection=True, nested=nested)
        length = self._prices.length(node, self._variables)
        if length > 1:
            self.size.items += place.times * length
        return _Place(merged.below, place.depth + 1, place.times * length, nested=nested)

    def _merge(self, name: str, place: _Place) -> _Merged:
        merged = place.merged.setdefault(name, _Merged())
        self.size.pairs += merged.count
        merged.count += 1
        self.size.repeats = max(self.size.repeats, merged.count)
        return merged

    def _count_nodes(self, nodes: Iterable[Node] | None) -> None:
        for node in nodes or ():
            self._count_node()
            self._count_nodes(_parts(node))

    def _count_node(self) -> None:
        self.size.nodes += 1
        if self.size.nodes > MAX_NODES:
            raise _TooLarge


def _parts(node: Node) -> Iterator[Node]:
    """The values and arguments within an argument, a directive or a value."""
    if isinstance(node, DirectiveNode):
        yield from node.arguments or ()
    elif isinstance(node, ArgumentNode):
        yield node.value
    elif isinstance(node, ListValueNode):
        yield from node.values
    elif isinstance(node, ObjectValueNode):
        for part in node.fields:
            yield part.value
