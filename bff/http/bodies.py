"""Request bodies, read within bounds of size and time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable
from decimal import Decimal, DecimalException
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from bff.http.addresses import client_address

READ_SECONDS = 5.0
#: The limit of every endpoint that takes JSON, and the bytes that one unit of the rate pays for. So many bytes can be
#: thousands of the smallest values, each of which is checked.
MAX_JSON_BYTES, BYTES_PER_UNIT = 100_000, 10_000
#: The same for answers. What an answer can hold is charged before it is made, and what it does not hold is given back.
ANSWER_BYTES_PER_UNIT = 10_000


class BadBody(Exception):
    """A body that its endpoint cannot take; carries the HTTP status for it."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, byte for byte. Raises BadBody: 413 too large, 408 too slow, 400 the client left.

    `request.state.slow_clients` comes from the middleware.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with request.state.slow_clients.wait_for(_caller(request), READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise BadBody(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise BadBody(400, "the body ended early") from None
    return bytes(body)


async def read_json_body(request: Request, *, must_name_type: bool = False) -> bytes:
    """A JSON body's bytes; none for an empty body. Raises BadBody: 415 another content type, 413, 408, 400.

    A body without a content type is taken for JSON, unless it must name its type.
    """
    named = request.headers.get("content-type", "" if must_name_type else "application/json")
    content_type = named.partition(";")[0].strip().lower()
    body = await read_body(request, MAX_JSON_BYTES)
    if body and content_type != "application/json":
        raise BadBody(415, "content-type must be application/json")
    return body


def parse_json(body: bytes) -> Any:
    """The JSON value of a body. Raises BadBody (400)."""
    return _parse(body, _finite)


def parse_json_exactly(body: bytes) -> Any:
    """The same with exact numbers: whole ones as int, others as Decimal. Raises BadBody (400)."""
    return _parse(body, Decimal)


def _parse(body: bytes, parse_float: Callable[[str], Any]) -> Any:
    try:
        document = json.loads(body.decode(), parse_constant=_refuse, parse_float=parse_float)
        if b"\\u" in body:  # JSON can write a lone surrogate, and no UTF-8 text can hold it
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError, DecimalException):
        raise BadBody(400, "the body is not JSON in UTF-8") from None
    return document


def _finite(number: str) -> float:
    """JSON has no infinity, but Python reads 1e999 as one."""
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _caller(request: Request) -> Hashable:
    """Who a slow body counts for: whom the request was counted for; the address when nobody has counted it."""
    return getattr(request.state, "caller", None) or client_address(request)


def _too_large(max_bytes: int) -> BadBody:
    return BadBody(413, f"the body must have at most {max_bytes} bytes")
