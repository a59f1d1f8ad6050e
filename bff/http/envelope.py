"""How REST answers: one envelope for all of it, and the HTTP status that a refusal has."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from grpc import StatusCode
from starlette.responses import Response

from bff.http.bodies import BadBody
from bff.http.rate_limits import RateLimited
from mesh.errors import CallFailed, Refusal, TryAgain
from mesh.logs import log

INTERNAL, BAD_REQUEST = "INTERNAL", "BAD_REQUEST"
#: What a refusal's gRPC code is in HTTP; any other is a rule that the state of things does not meet: 409.
_STATUSES = {
    StatusCode.INVALID_ARGUMENT: 422,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 503,
    StatusCode.RESOURCE_EXHAUSTED: 503,
}
#: Seconds after which to come again, when nobody has said better.
RETRY_AFTER = 1.0

Names = Mapping[str, str]


def done(message: str, data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A success."""
    return _json({"success": True, "message": message, "data": data}, status, headers)


def failed(
    status: int,
    code: str,
    message: str,
    *,
    field: str = "",
    data: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A failure; `field` names what of the request it is about, `data` is what was made all the same."""
    error = {"code": code, "field": field} if field else {"code": code}
    return _json({"success": False, "message": message, "data": data, "error": error}, status, headers)


def refused(error: Refusal, names: Names, data: object = None) -> Response:
    """What a service, or the door itself, refused; `names` are the request's own for the services' fields."""
    status, field = status_of(error), _named(error.field, names)
    message = error.message
    if field and message.startswith(f"{error.field}: "):
        message = f"{field}: {message.removeprefix(f'{error.field}: ')}"
    return failed(status, error.reason, message, field=field, data=data, headers=_advice(status, error.retry_after))


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    if refusal.reason == RateLimited.reason:
        return 429
    if refusal.reason.endswith("_NOT_FOUND"):
        return 404
    return _STATUSES.get(refusal.status_code, 409)


def not_taken(error: BadBody) -> Response:
    """A body that cannot be read."""
    return failed(error.status, BAD_REQUEST, error.message)


def not_answered(error: CallFailed) -> Response:
    """A peer that gave no answer: whatever became of it, the same request may be sent again, unless it never can."""
    log().warning("peer_failed", error=str(error))
    return broken() if error.definite else not_now()


def not_now() -> Response:
    """Nobody is at fault; the same request may be sent again."""
    return failed(503, TryAgain.reason, "not now; the same request may be sent again", headers=_advice(503, 0))


def broken() -> Response:
    """A fault of our own, of which nothing is told."""
    return failed(500, INTERNAL, "internal error")


def _advice(status: int, retry_after: float) -> dict[str, str]:
    """RFC 9110, 10.2.3 and 11.6.1."""
    if status in (429, 503):
        return {"retry-after": str(max(1, math.ceil(retry_after or RETRY_AFTER)))}
    return {"www-authenticate": "Bearer"} if status == 401 else {}


def _named(field: str, names: Names) -> str:
    """`blocks[0].start` → `blocks[0].start_time`: the last part, or the whole, by the name the client knows."""
    if field in names:
        return names[field]
    place, dot, last = field.rpartition(".")
    return f"{place}{dot}{names.get(last, last)}" if re.match(r"\w+\[\d+\]$", place) else field


def _json(body: dict[str, Any], status: int, headers: Mapping[str, str] | None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(text, status, headers=headers, media_type="application/json")
