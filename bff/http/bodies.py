"""Request bodies, read within bounds of size and time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from bff.http.addresses import address

READ_SECONDS = 5.0
#: Of a JSON body, at every door that takes one.
MAX_JSON_BYTES = 100_000
_SHA256 = re.compile("[0-9a-f]{64}")


class BadBody(Exception):
    """A body that is not what its door takes; carries the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a GraphQL client sent (GraphQL over HTTP: request parameters). Without a query, a hash names it."""

    query: str
    name: str | None
    variables: dict[str, Any]
    sha256: str = ""


async def read(request: Request, most: int) -> bytes:
    """The whole body, byte for byte. Raises BadBody: 413 beyond `most` bytes, 408 when it does not come.

    The door has noted its patience on the request (bff/http/middleware.py).
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise BadBody(413, f"the body must have at most {most} bytes")
    body = bytearray()
    try:
        async with request.state.patience.wait(address(request), READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise BadBody(413, f"the body must have at most {most} bytes")
    except TimeoutError:
        raise BadBody(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise BadBody(400, "the body ended early") from None
    return bytes(body)


async def read_json(request: Request) -> bytes:
    """A JSON body's bytes, be there none. Raises BadBody: 415 for another content type, 413, 408."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    raw = await read(request, MAX_JSON_BYTES)
    if raw and kind != "application/json":
        raise BadBody(415, "content-type must be application/json")
    return raw


def _finite(number: str) -> float:
    """JSON knows no infinity, but a 1e999 that becomes one."""
    value = float(number)
    return value if math.isfinite(value) else _refused(number)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def json_in(body: bytes) -> Any:
    """The JSON value in a body. Raises BadBody (400)."""
    return _json(body)


def operation(body: bytes) -> Operation:
    """The operation in a JSON body. Raises BadBody (400) that says what is wrong; batches are not taken."""
    return operation_in(_json(body))


def operation_in(document: object) -> Operation:
    """The operation that a JSON value is. Raises BadBody (400)."""
    if not isinstance(document, dict):
        raise BadBody(400, "the body must be one JSON object; batches are not taken")
    query, name, variables = document.get("query"), document.get("operationName"), document.get("variables")
    sha256 = _persisted(document.get("extensions"))
    if not isinstance(query, str | None) or not (query or sha256):
        raise BadBody(400, "query: must be a GraphQL document")
    if name is not None and not isinstance(name, str):
        raise BadBody(400, "operationName: must be a string or null")
    if variables is not None and not isinstance(variables, dict):
        raise BadBody(400, "variables: must be an object or null")
    return Operation(query or "", name or None, variables or {}, sha256)


def _persisted(extensions: object) -> str:
    """The hash that names a persisted operation (Apollo: automatic persisted queries, version 1); empty when none."""
    if extensions is not None and not isinstance(extensions, dict):
        raise BadBody(400, "extensions: must be an object or null")
    named = (extensions or {}).get("persistedQuery")
    if named is None:
        return ""
    sha256 = named.get("sha256Hash") if isinstance(named, dict) and named.get("version") == 1 else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise BadBody(400, "extensions.persistedQuery: must be {version: 1, sha256Hash: 64 hex digits}")
    return sha256


def exact_json(body: bytes) -> Any:
    """The JSON in a body, its numbers as they were written: whole ones as int, others as Decimal. Raises BadBody."""
    return _json(body, Decimal)


def _json(body: bytes, number: Callable[[str], Any] = _finite) -> Any:
    try:
        document = json.loads(body.decode(), parse_constant=_refused, parse_float=number)
        if b"\\u" in body:  # a lone surrogate can be written so, and no text can hold it
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError, DecimalException):
        raise BadBody(400, "the body is not JSON in UTF-8") from None
    return document
