"""Errors with a name, which cross the wire as google.rpc.ErrorInfo (AIP-193).

A service raises a `Refusal` and the server interceptor turns it into a status. The client interceptor turns the status
back into a `Refusal`, of the same class when this process knows its reason. Any other exception leaves as INTERNAL.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode as StatusCode

DOMAIN = "tutormesh"
DETAILS_KEY = "grpc-status-details-bin"
#: A refusal is an answer: the caller decides whether to call again, and not its channel (gRFC A6, server pushback).
NO_CHANNEL_RETRY = ("grpc-retry-pushback-ms", "-1")

#: gRPC's own message, without details of ours, for a call that a full server rejects unread.
SERVER_IS_FULL = "Concurrent RPC limit exceeded!"

#: Codes that do not say whether the call took effect: repeat it under the same key, never assume failure.
UNKNOWN_OUTCOME = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.UNKNOWN,
        StatusCode.INTERNAL,
        StatusCode.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that a peer did not answer as it should: the peer's address, and "package.Service/Method"."""

    peer: str
    method: str


class Refusal(Exception):
    """The request was understood and refused. The first line of a subclass's docstring is its default message."""

    code: ClassVar[StatusCode] = StatusCode.FAILED_PRECONDITION
    reason: str = ""
    #: Seconds after which the caller may send the same request again (google.rpc.RetryInfo); 0 gives no advice.
    retry_after: float = 0.0
    #: The call that was refused, when a peer refused it.
    made: MadeCall | None = None
    _by_reason: ClassVar[dict[str, type[Refusal]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "reason" in vars(cls):
            Refusal._by_reason[cls.reason] = cls

    def __init__(self, message: str = "", *, field: str = "") -> None:
        self.message = message or (inspect.getdoc(type(self)) or "").splitlines()[0]
        self.field = field
        super().__init__(self.message)

    @property
    def status_code(self) -> StatusCode:
        """The gRPC status code of this refusal on the wire."""
        return self.code

    @staticmethod
    def from_parts(code: str, reason: str, message: str, field: str = "") -> Refusal:
        """A refusal made of its stored or received parts; of the reason's class when this process has one."""
        kind = Refusal._by_reason.get(reason)
        return kind(message, field=field) if kind else _RemoteRefusal(StatusCode[code], reason, message, field)


class BadInput(Refusal):
    """A field of the request cannot be used."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "BAD_USER_INPUT"

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(
            f"{field}: {message}" if field and not message.startswith(f"{field}: ") else message, field=field
        )


class Unauthenticated(Refusal):
    """No valid token."""

    code = StatusCode.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The caller may not do this."""

    code = StatusCode.PERMISSION_DENIED
    reason = "FORBIDDEN"


class NotFound(Refusal):
    """There is no such thing."""

    code = StatusCode.NOT_FOUND
    reason = "NOT_FOUND"


class TryAgain(Refusal):
    """Not now; the same request may be sent again."""

    code = StatusCode.UNAVAILABLE
    reason = "TRY_AGAIN"
    retry_after = 1.0


class Overloaded(Refusal):
    """Too much at once; the same request may be sent again in a moment."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"
    retry_after = 1.0


class Cancelled(Refusal):
    """This was undone before it arrived."""

    reason = "CANCELLED"


class IllegalMove(Refusal):
    """The state it is in does not allow this."""

    reason = "ILLEGAL_MOVE"


class CallFailed(Exception):
    """A call ended without a refusal of ours; its outcome is unknown unless `definite`."""

    made: MadeCall | None = None

    def __init__(self, code: StatusCode, details: str) -> None:
        self.status_code = code
        super().__init__(f"{code.name}: {details}")

    @property
    def definite(self) -> bool:
        """True when the code says that nothing happened (such as UNIMPLEMENTED)."""
        return self.status_code not in UNKNOWN_OUTCOME


def describe(error: BaseException) -> dict[str, str]:
    """What a log line says of a failure: `error`, its words; and `peer` and `call` when a peer's answer caused it."""
    fields, link = {"error": str(error) or type(error).__name__}, error
    for _ in range(5):
        made = getattr(link, "made", None)
        if made is not None:
            return {**fields, "peer": made.peer, "call": made.method}
        if link.__cause__ is None:
            break
        link = link.__cause__
    return fields


class _RemoteRefusal(Refusal):
    """A refusal of another service, whose reason has no class in this process."""

    def __init__(self, code: StatusCode, reason: str, message: str, field: str) -> None:
        super().__init__(message or reason, field=field)
        self.reason = reason
        self._code = code

    @property
    def status_code(self) -> StatusCode:
        return self._code


def to_status(refusal: Refusal) -> tuple[StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """The code, message and trailing metadata that carry this refusal."""
    code = refusal.status_code
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN)
    details = [_pack(info)]
    if refusal.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=refusal.field, description=refusal.message)
        details.append(_pack(error_details_pb2.BadRequest(field_violations=[violation])))
    if refusal.retry_after:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(refusal.retry_after * 1000))
        details.append(_pack(retry))
    number = getattr(code_pb2, code.name)
    status = status_pb2.Status(code=number, message=refusal.message, details=details)
    return code, refusal.message, ((DETAILS_KEY, status.SerializeToString()), NO_CHANNEL_RETRY)


def from_error(error: grpc.aio.AioRpcError) -> Refusal | CallFailed:
    """The exception for a peer's error: a `Refusal` when the peer named a reason of ours, else a `CallFailed`."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            refusal = _parse_refusal(error, value if isinstance(value, bytes) else value.encode())
            if refusal is not None:
                return refusal
    if error.code() is StatusCode.RESOURCE_EXHAUSTED and error.details() == SERVER_IS_FULL:
        return Overloaded()
    return CallFailed(error.code(), error.details() or "")


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _parse_refusal(error: grpc.aio.AioRpcError, raw: bytes) -> Refusal | None:
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    try:
        for detail in status_pb2.Status.FromString(raw).details:
            detail.Unpack(info)
            detail.Unpack(request)
            detail.Unpack(retry)
    except DecodeError:  # a proxy between the two services wrote it
        return None
    if info.domain != DOMAIN or not info.reason:
        return None
    field = request.field_violations[0].field if request.field_violations else ""
    message = error.details() or ""
    refusal = Refusal.from_parts(error.code().name, info.reason, message, field)
    if retry.HasField("retry_delay"):
        refusal.retry_after = retry.retry_delay.ToMilliseconds() / 1000
    return refusal
