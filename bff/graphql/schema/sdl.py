"""The schema's text: a file for each subgraph, and a common one.

A type that spans subgraphs (`Booking`) stands in each of their files, with its fields there. Here they become one type.
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
#: Only a gateway needs these directives (Apollo Federation 2).
DIRECTIVES = frozenset({"key", "shareable"})


def subgraphs() -> list[str]:
    """The names of the subgraphs."""
    return sorted(path.stem for path in FOLDER.glob("*.graphql") if path.stem != COMMON)


def subgraph(name: str) -> str:
    """The text of one subgraph for a gateway."""
    return "\n".join([LINK, _text(COMMON), _text(name)])


def whole() -> str:
    """All subgraphs as one schema, for /graphql."""
    names = [COMMON, *subgraphs()]
    definitions = [definition for name in names for definition in parse(_text(name)).definitions]
    return print_ast(visit(DocumentNode(definitions=_merge(definitions)), _RemoveDirectives()))


def _text(name: str) -> str:
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


class _RemoveDirectives(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value in DIRECTIVES else None


def _merge(definitions: Sequence[DefinitionNode]) -> tuple[DefinitionNode, ...]:
    """Each type once, at its first place, with the fields of all its definitions."""
    known: dict[str, DefinitionNode] = {}
    for definition in definitions:
        name: str = definition.name.value  # type: ignore[attr-defined]
        other = known.get(name)
        known[name] = _join(other, definition) if other else definition
    return tuple(known.values())


def _join(one: DefinitionNode, other: DefinitionNode) -> DefinitionNode:
    """Raises TypeError for definitions that are not of an object type: only one subgraph may have them."""
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
