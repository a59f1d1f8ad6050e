"""Persisted operations: documents that clients name by their SHA-256 instead of sending them.

The way to name one is Apollo's (automatic persisted queries), so that its clients work as they are; but nothing is
ever registered by a client: what is known comes from a file that whoever runs the edge has written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bff.http.bodies import Operation
from mesh.errors import BadInput

#: The words by which Apollo's clients know that they must send the document itself.
NOT_FOUND = "PersistedQueryNotFound"


@dataclass(frozen=True, slots=True)
class Persisted:
    """The documents by their SHA-256 in hex; `only` these are taken, or others too."""

    documents: Mapping[str, str] = field(default_factory=dict)
    only: bool = False

    def document(self, operation: Operation) -> str:
        """The document an operation means. Raises BadInput: unknown, not what was named, or not taken."""
        if not operation.query:
            return self._named(operation.sha256)
        sha256 = hashlib.sha256(operation.query.encode()).hexdigest()
        if operation.sha256 and operation.sha256 != sha256:
            raise BadInput("the query has another SHA-256", field="extensions.persistedQuery.sha256Hash")
        if self.only and sha256 not in self.documents:
            raise BadInput("only persisted operations are taken here", field="query")
        return operation.query

    def _named(self, sha256: str) -> str:
        try:
            return self.documents[sha256]
        except KeyError:
            raise BadInput(NOT_FOUND) from None


def load(path: Path) -> dict[str, str]:
    """The documents in a folder of `.graphql` files, or in a JSON file of an object {sha256: document}.

    Raises ValueError that says what is wrong with it.
    """
    try:
        if path.is_dir():
            documents = [file.read_text(encoding="utf-8") for file in sorted(path.glob("*.graphql"))]
            return {_sha256(document): document for document in documents}
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {type(error).__name__}") from None
    return _checked(manifest)


def _checked(manifest: object) -> dict[str, str]:
    if not isinstance(manifest, dict):
        raise ValueError("must be one JSON object of documents by their SHA-256")
    for sha256, document in manifest.items():
        if not isinstance(document, str) or _sha256(document) != sha256:
            raise ValueError(f"{sha256!r:.70} is not the SHA-256 of its document")
    return manifest


def _sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()
