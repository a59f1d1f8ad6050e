"""What went wrong, as GraphQL tells it: user errors in payloads, typed errors elsewhere, never internals."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLError
from grpc import StatusCode

from bff.graphql.context import Info
from bff.http.rate_limits import RateLimited
from mesh.errors import CallFailed, Refusal
from mesh.logs import log

Resolver = Callable[..., Awaitable[Any]]

#: The reasons that are answers to a person, not faults of a client: the schema's UserErrorCode.
USER_ERROR_CODES = frozenset(
    "SLOT_TAKEN OUTSIDE_WORKING_HOURS TOO_SOON STUDENT_BUSY TUTOR_NOT_FOUND COURSE_NOT_FOUND COURSE_NOT_PUBLISHED"
    " COURSE_FULL ALREADY_ENROLLED TOO_MANY_HOLDS IDEMPOTENCY_MISMATCH NOT_CANCELLABLE QUOTE_EXPIRED"
    " PAYMENT_PROVIDER_UNAVAILABLE PAYMENT_REFUSED TRY_AGAIN".split()
)
RETRYABLE = frozenset({"TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"})
#: The codes that say "not now": with them goes a hint when to ask again, ours unless a service gave one.
LATER = frozenset({"UNAVAILABLE", "RATE_LIMITED"})
RETRY_AFTER_MS = 1000

_CODES = {
    StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    StatusCode.PERMISSION_DENIED: "FORBIDDEN",
    StatusCode.NOT_FOUND: "NOT_FOUND",
    StatusCode.UNAVAILABLE: "UNAVAILABLE",
    StatusCode.DEADLINE_EXCEEDED: "UNAVAILABLE",
    StatusCode.RESOURCE_EXHAUSTED: "UNAVAILABLE",
}
#: A read that ended so can be sent again; any other end without a reason of ours is a fault inside.
_AWAY = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.CANCELLED,
    }
)
#: The argument that a refusal is about when it names no field itself.
_ABOUT = {
    "SLOT_TAKEN": "time",
    "OUTSIDE_WORKING_HOURS": "time",
    "TOO_SOON": "time",
    "STUDENT_BUSY": "time",
    "TUTOR_NOT_FOUND": "tutorId",
    "COURSE_NOT_FOUND": "courseId",
    "COURSE_NOT_PUBLISHED": "courseId",
    "COURSE_FULL": "courseId",
    "ALREADY_ENROLLED": "courseId",
    "IDEMPOTENCY_MISMATCH": "idempotencyKey",
    "QUOTE_EXPIRED": "quoteToken",
}
_ARGUMENTS = {"start": "time", "start_time": "time", "page_size": "first", "page_token": "after"}


def reads(resolver: Resolver) -> Resolver:
    """A resolver whose refusals become GraphQL errors with a code."""

    @functools.wraps(resolver)
    async def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        try:
            return await resolver(source, info, **arguments)
        except (Refusal, CallFailed) as error:
            raise typed(error, info) from error

    return resolve


def changes(resolver: Resolver) -> Resolver:
    """A resolver of a mutation: what a business rule refuses, or may have happened, comes back in `userErrors`."""

    @functools.wraps(resolver)
    async def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        info.context.forget()
        try:
            return await resolver(source, info, **arguments)
        except (Refusal, CallFailed) as error:
            answer = user_error(error, info)
            if answer is None:
                raise typed(error, info) from error
            return {"userErrors": [answer]}
        finally:
            info.context.forget()  # what it read on the way is what it has changed

    return resolve


def user_error(error: Refusal | CallFailed, info: Info) -> dict[str, Any] | None:
    """The UserError that stands for this; None when it is not one."""
    if isinstance(error, CallFailed):
        if error.definite:
            return None
        log().warning("peer_failed", field=info.field_name, error=str(error))
        return _user_error("TRY_AGAIN", "not now; the same request may be sent again", None)
    if error.reason in USER_ERROR_CODES:
        path = argument_path(info, error.field) or _about(error.reason, info)
        return _user_error(error.reason, _message(error, path), path)
    if error.status_code in (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED):
        return _user_error("TRY_AGAIN", error.message, None)
    return None


def _user_error(code: str, message: str, field: list[str] | None) -> dict[str, Any]:
    return {"code": code, "message": message, "field": field, "retryable": code in RETRYABLE}


def _about(reason: str, info: Info) -> list[str] | None:
    name, arguments = _ABOUT.get(reason, ""), info.parent_type.fields[info.field_name].args
    if name.endswith("Id") and name not in arguments:
        name = "id"
    return [name] if name in arguments else None


def typed(error: Refusal | CallFailed, info: Info) -> GraphQLError:
    """The GraphQL error that stands for this, its message in the client's own words for fields."""
    if error.status_code is StatusCode.UNAUTHENTICATED and not info.context.is_anonymous:
        return _distrusted(error, info)
    if isinstance(error, CallFailed):
        return _failed(error, info)
    extensions = _extensions(error)
    path = argument_path(info, error.field)
    if path:
        extensions["field"] = path
    message = _message(error, path)
    if extensions["code"] == "BAD_USER_INPUT" and error.reason in USER_ERROR_CODES:  # a query has no userErrors
        message = f"{error.reason}: {message}"
    return GraphQLError(message, extensions=extensions)


def at_the_door(refusal: Refusal) -> GraphQLError:
    """The GraphQL error of a request that was refused before anything of it was looked at."""
    return GraphQLError(refusal.message, extensions=_extensions(refusal))


def _extensions(refusal: Refusal) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": code(refusal)}
    if refusal.retry_after and extensions["code"] in LATER:
        extensions["retryAfterMs"] = round(refusal.retry_after * 1000)
    return extensions


def _distrusted(error: Refusal | CallFailed, info: Info) -> GraphQLError:
    """A peer does not believe a token that we have verified, or ours: nothing that the person can mend."""
    log().warning("peer_did_not_believe_us", field=info.field_name, error=str(error))
    return not_now()


def code(refusal: Refusal) -> str:
    """Which of the contract's error codes a refusal has."""
    if refusal.reason == RateLimited.reason:
        return RateLimited.reason
    return _CODES.get(refusal.status_code, "NOT_FOUND" if refusal.reason.endswith("_NOT_FOUND") else "BAD_USER_INPUT")


def _failed(error: CallFailed, info: Info) -> GraphQLError:
    log().warning("peer_failed", field=info.field_name, error=str(error))
    if error.status_code in _AWAY:
        return not_now()
    return GraphQLError("internal error", extensions={"code": "INTERNAL"})


def not_now() -> GraphQLError:
    return GraphQLError("not now; the same request may be sent again", extensions={"code": "UNAVAILABLE"})


def argument_path(info: Info, field: str) -> list[str] | None:
    """Where in the arguments of this field a proto's field (`start_time`, `weekly[0].end`) was given."""
    if not field:
        return None
    arguments = info.parent_type.fields[info.field_name].args
    if _ARGUMENTS.get(field) in arguments:
        return [_ARGUMENTS[field]]
    path = [part for part in re.split(r"[.\[\]]+", re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), field)) if part]
    if path and path[0] not in arguments and "input" in arguments:
        return ["input", *path]
    return ["id"] if path and path[0].endswith("Id") and path[0] not in arguments and "id" in arguments else path


def _message(refusal: Refusal, path: list[str] | None) -> str:
    prefix = f"{refusal.field}: "
    if path and refusal.field and refusal.message.startswith(prefix):
        return f"{'.'.join(path)}: {refusal.message.removeprefix(prefix)}"
    return refusal.message


def told(error: GraphQLError) -> dict[str, Any]:
    """An error as it leaves: with a code, and without anything of the inside."""
    extensions = dict(error.extensions or {})
    if "code" not in extensions:
        extensions["code"] = _code_of_untyped(error)
    if extensions["code"] == "INTERNAL":
        return {**error.formatted, "message": "internal error", "extensions": {"code": "INTERNAL"}}
    if extensions["code"] in LATER:
        extensions.setdefault("retryAfterMs", RETRY_AFTER_MS)
    return {**error.formatted, "extensions": extensions}


def _code_of_untyped(error: GraphQLError) -> str:
    """What graphql-core itself found wrong is the client's fault, unless a resolver or a value of ours broke."""
    if error.path is None or error.original_error is None or isinstance(error.original_error, GraphQLError):
        return "BAD_USER_INPUT"
    log().error("resolver_crashed", path=list(error.path), exc_info=error.original_error)
    return "INTERNAL"
