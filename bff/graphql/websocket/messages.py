"""graphql-transport-ws: the messages of the subprotocol and the codes that end a connection.

Every rule here comes from https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Ariadne's own handler is not
used: it crashes on what is not JSON, closes with 1000 on a bad token, and has no limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bff.graphql.requests import Operation, read_operation
from bff.http.bodies import BadBody, parse_json

SUBPROTOCOL = "graphql-transport-ws"
MAX_ID = 100

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, BAD_SUBPROTOCOL = 4400, 4401, 4403, 4406
INIT_TIMEOUT, ALREADY_SUBSCRIBED, TOO_MANY, INTERNAL_ERROR = 4408, 4409, 4429, 4500
#: RFC 6455 and its registry: this replica stops; try again later, here or at another replica.
GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013


class Closed(Exception):
    """The edge closes the connection; carries the close code and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"{code}: {reason}")


@dataclass(frozen=True, slots=True)
class Init:
    """connection_init: the client says who it is."""

    payload: Mapping[str, Any]

    @property
    def authorization(self) -> str:
        """The payload's `Authorization`, in any case, as a header would say it; empty when there is none."""
        for name, value in self.payload.items():
            if name.lower() == "authorization" and isinstance(value, str):
                return value
        return ""


@dataclass(frozen=True, slots=True)
class Ping:
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pong:
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


Message = Init | Ping | Pong | Subscribe | Complete


def parse_message(text: str | None) -> Message:
    """A client's message; None is a binary frame. Raises Closed (4400) for what is no message of the protocol."""
    if text is None:
        raise Closed(BAD_REQUEST, "Only text is taken")
    try:
        message = parse_json(text.encode())
        if not isinstance(message, dict):
            raise BadBody(400, "a message must be a JSON object")
        return _read_message(message)
    except (BadBody, UnicodeEncodeError) as error:
        raise Closed(BAD_REQUEST, f"Invalid message: {error}") from None


def format_message(kind: str, **more: Any) -> str:
    """A message of the edge, as JSON."""
    return json.dumps({"type": kind, **more}, ensure_ascii=False, separators=(",", ":"))


def _read_message(message: dict[str, Any]) -> Message:
    match message.get("type"):
        case "connection_init":
            return Init(_payload(message))
        case "ping":
            return Ping(_payload(message))
        case "pong":
            return Pong(_payload(message))
        case "subscribe":
            return Subscribe(_id(message), read_operation(message.get("payload")))
        case "complete":
            return Complete(_id(message))
    raise BadBody(400, "type: unknown")


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise BadBody(400, "payload: must be an object or null")
    return payload or {}


def _id(message: dict[str, Any]) -> str:
    given = message.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= MAX_ID:
        raise BadBody(400, f"id: must have 1 to {MAX_ID} characters")
    return given
