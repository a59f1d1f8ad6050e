"""The envelope around every answer that is not GraphQL, and the HTTP status of each refusal."""

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
from mesh.errors import CallFailed, Refusal, TryAgain, describe
from mesh.logs import log

INTERNAL, BAD_REQUEST = "INTERNAL", "BAD_REQUEST"
#: The HTTP status of a refusal's gRPC code. Any other code is a rule that the present state does not meet: 409.
_STATUSES = {
    StatusCode.INVALID_ARGUMENT: 422,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 503,
    StatusCode.RESOURCE_EXHAUSTED: 503,
}
#: Seconds until a client should try again, when the refusal does not say.
RETRY_AFTER = 1.0

#: The client's names for the services' fields.
FieldNames = Mapping[str, str]


def success(message: str, data: object, headers: Mapping[str, str] | None = None) -> Response:
    return _json({"success": True, "message": message, "data": data}, 200, headers)


def failure(
    status: int,
    code: str,
    message: str,
    *,
    field: str = "",
    data: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A failure. `field` names the part of the request at fault; `data` is what exists in spite of the failure."""
    error = {"code": code, "field": field} if field else {"code": code}
    return _json({"success": False, "message": message, "data": data, "error": error}, status, headers)


def refusal(error: Refusal, names: FieldNames, data: object = None) -> Response:
    """The failure for a refusal of a service, or of the edge."""
    status, field = status_of(error), _client_field(error.field, names)
    message = error.message
    if field and message.startswith(f"{error.field}: "):
        message = f"{field}: {message.removeprefix(f'{error.field}: ')}"
    headers = _advice(status, error.retry_after)
    return failure(status, error.reason, message, field=field, data=data, headers=headers)


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    if refusal.reason == RateLimited.reason:
        return 429
    if refusal.reason.endswith("_NOT_FOUND"):
        return 404
    return _STATUSES.get(refusal.status_code, 409)


def bad_body(error: BadBody) -> Response:
    """The failure for a body that cannot be read."""
    return failure(error.status, BAD_REQUEST, error.message)


def failed_call(error: CallFailed) -> Response:
    """The failure for a peer that gave no answer. The client may send the request again unless that cannot help."""
    log().warning("peer_failed", **describe(error))
    return internal_error() if error.definite else unavailable()


def unavailable() -> Response:
    """The failure for which nobody is at fault; the client may send the same request again."""
    return failure(503, TryAgain.reason, "not now; the same request may be sent again", headers=_advice(503, 0))


def internal_error() -> Response:
    """The failure for a fault of the edge or a service; it reveals nothing of it."""
    return failure(500, INTERNAL, "internal error")


def _advice(status: int, retry_after: float) -> dict[str, str]:
    """RFC 9110, 10.2.3 and 11.6.1."""
    if status in (429, 503):
        return {"retry-after": str(max(1, math.ceil(retry_after or RETRY_AFTER)))}
    return {"www-authenticate": "Bearer"} if status == 401 else {}


def _client_field(field: str, names: FieldNames) -> str:
    """`blocks[0].start` → `blocks[0].start_time`: the whole field, or its last part, as the client calls it."""
    if field in names:
        return names[field]
    parent, dot, last = field.rpartition(".")
    return f"{parent}{dot}{names.get(last, last)}" if re.match(r"\w+\[\d+\]$", parent) else field


def _json(body: dict[str, Any], status: int, headers: Mapping[str, str] | None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(text, status, headers=headers, media_type="application/json")
