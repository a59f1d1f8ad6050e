"""The schema's text: one file for each subgraph, and what they have in common.

A type that spans subgraphs (`Booking`) is written in each of them with the fields it has there; here they become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphql import (
    REMOVE,
    DefinitionNode,
    DirectiveNode,
    DocumentNode,
    ObjectTypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

FOLDER = Path(__file__).parent
COMMON = "common"
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])\n'
#: What only a gateway needs (Apollo Federation 2).
DIRECTIVES = frozenset({"key", "shareable"})


def subgraphs() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in FOLDER.glob("*.graphql") if path.stem != COMMON)


def subgraph(name: str) -> str:
    """One subgraph as a gateway reads it."""
    return "\n".join([LINK, _text(COMMON), _text(name)])


def whole() -> str:
    """All subgraphs as one schema, as /graphql serves it."""
    names = [COMMON, *subgraphs()]
    definitions = [definition for name in names for definition in parse(_text(name)).definitions]
    return print_ast(visit(DocumentNode(definitions=_merged(definitions)), _Plain()))


def _text(name: str) -> str:
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


class _Plain(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value in DIRECTIVES else None


def _merged(definitions: Sequence[DefinitionNode]) -> tuple[DefinitionNode, ...]:
    """Each type once: where it was met first, with what the others add."""
    known: dict[str, DefinitionNode] = {}
    for definition in definitions:
        name: str = definition.name.value  # type: ignore[attr-defined]
        other = known.get(name)
        known[name] = _joined(other, definition) if other else definition
    return tuple(known.values())


def _joined(one: DefinitionNode, other: DefinitionNode) -> DefinitionNode:
    """Raises TypeError for what only one subgraph may define."""
    if not (isinstance(one, ObjectTypeDefinitionNode) and isinstance(other, ObjectTypeDefinitionNode)):
        raise TypeError(f"{one} is defined twice")
    fields = {field.name.value: field for field in one.fields or ()}
    for field in other.fields or ():
        fields.setdefault(field.name.value, field)
    return ObjectTypeDefinitionNode(
        name=one.name,
        description=one.description or other.description,
        interfaces=one.interfaces,
        directives=(),
        fields=tuple(fields.values()),
    )
