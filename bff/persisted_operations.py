"""Persisted operations: GraphQL documents that clients name by their SHA-256 instead of sending them.

A client names one as in Apollo's automatic persisted queries, so that Apollo's clients work unchanged. But no client
can register a document: all of them come from a file that the operator of the edge has written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesh.errors import BadInput

#: On this message Apollo's clients send the document itself.
NOT_FOUND = "PersistedQueryNotFound"
#: On this one they send no hashes from then on.
NOT_SUPPORTED = "PersistedQueryNotSupported"


@dataclass(frozen=True, slots=True)
class PersistedOperations:
    """The documents by their SHA-256 in hex. With `only`, no other document is accepted."""

    documents: Mapping[str, str] = field(default_factory=dict)
    only: bool = False

    def find_document(self, query: str, sha256: str) -> str:
        """The document to run: the query itself, or the one that the hash names when the query is empty.

        Raises BadInput: the hash is unknown, it is not the query's, or the query is not persisted and must be.
        """
        if not query:
            return self._find_by_hash(sha256)
        actual = _sha256(query)
        if sha256 and sha256 != actual:
            raise BadInput("the query has another SHA-256", field="extensions.persistedQuery.sha256Hash")
        if self.only and actual not in self.documents:
            raise BadInput("only persisted operations are taken here", field="query")
        return query

    def _find_by_hash(self, sha256: str) -> str:
        try:
            return self.documents[sha256]
        except KeyError:
            raise BadInput(NOT_FOUND if self.documents else NOT_SUPPORTED) from None


def load_documents(path: Path) -> dict[str, str]:
    """The documents of a folder of `.graphql` files, or of a JSON file with one object {sha256: document}.

    Raises ValueError that says what is wrong with it.
    """
    try:
        if path.is_dir():
            documents = [file.read_text(encoding="utf-8") for file in sorted(path.glob("*.graphql"))]
            return {_sha256(document): document for document in documents}
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {type(error).__name__}") from None
    return _check_manifest(manifest)


def _check_manifest(manifest: object) -> dict[str, str]:
    if not isinstance(manifest, dict):
        raise ValueError("must be one JSON object of documents by their SHA-256")
    for sha256, document in manifest.items():
        if not isinstance(document, str) or _sha256(document) != sha256:
            raise ValueError(f"{sha256!r:.70} is not the SHA-256 of its document")
    return manifest


def _sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()
