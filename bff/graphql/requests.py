"""GraphQL over HTTP's request parameters, read from JSON or from an address. WebSockets send the same JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bff.http.bodies import BadBody, parse_json

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation that a client sent. When the query is empty, a hash names a persisted one."""

    query: str
    name: str | None
    variables: dict[str, Any]
    sha256: str = ""


def parse_operation(body: bytes) -> Operation:
    """The operation in a JSON body. Raises BadBody (400) that says what is wrong; a batch is refused."""
    return read_operation(parse_json(body))


def parse_parameters(parameters: Mapping[str, str]) -> Operation:
    """The operation in an address: the same names, `variables` and `extensions` as JSON. Raises BadBody (400)."""
    document: dict[str, Any] = {name: parameters[name] for name in ("query", "operationName") if parameters.get(name)}
    for name in ("variables", "extensions"):
        if parameters.get(name):
            document[name] = _parse_parameter(name, parameters[name])
    return read_operation(document)


def _parse_parameter(name: str, text: str) -> object:
    try:
        return parse_json(text.encode())
    except (BadBody, UnicodeEncodeError):
        raise BadBody(400, f"{name}: must be JSON") from None


def read_operation(document: object) -> Operation:
    """The operation in a JSON value. Raises BadBody (400)."""
    if not isinstance(document, dict):
        raise BadBody(400, "the body must be one JSON object; batches are not taken")
    query, name, variables = document.get("query"), document.get("operationName"), document.get("variables")
    sha256 = _read_hash(document.get("extensions"))
    if not isinstance(query, str | None) or not (query or sha256):
        raise BadBody(400, "query: must be a GraphQL document")
    if name is not None and not isinstance(name, str):
        raise BadBody(400, "operationName: must be a string or null")
    if variables is not None and not isinstance(variables, dict):
        raise BadBody(400, "variables: must be an object or null")
    return Operation(query or "", name or None, variables or {}, sha256)


def _read_hash(extensions: object) -> str:
    """The hash of a persisted operation (Apollo: automatic persisted queries, version 1); empty when there is none."""
    if extensions is not None and not isinstance(extensions, dict):
        raise BadBody(400, "extensions: must be an object or null")
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return ""
    sha256 = persisted.get("sha256Hash") if isinstance(persisted, dict) and persisted.get("version") == 1 else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise BadBody(400, "extensions.persistedQuery: must be {version: 1, sha256Hash: 64 hex digits}")
    return sha256
