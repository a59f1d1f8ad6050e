"""How GraphQL tells what went wrong: `userErrors` in payloads, typed errors elsewhere, and never internals."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLError
from grpc import StatusCode

from bff.graphql.context import Info
from bff.graphql.metrics import ERRORS, Measured, show_faults
from bff.http.rate_limits import RateLimited
from mesh.errors import CallFailed, Refusal, describe
from mesh.logs import log

Resolver = Callable[..., Awaitable[Any]]

#: The reasons that are answers to a person and no faults of a client: the schema's UserErrorCode.
USER_ERROR_CODES = frozenset(
    "SLOT_TAKEN OUTSIDE_WORKING_HOURS TOO_SOON STUDENT_BUSY TUTOR_NOT_FOUND COURSE_NOT_FOUND COURSE_NOT_PUBLISHED"
    " COURSE_FULL ALREADY_ENROLLED TOO_MANY_HOLDS IDEMPOTENCY_MISMATCH NOT_CANCELLABLE QUOTE_EXPIRED"
    " LENGTH_NOT_OFFERED START_NOT_OFFERED TOO_FAR_AHEAD TOO_MANY_COURSES TOO_MANY_BLOCKS"
    " PAYMENT_PROVIDER_UNAVAILABLE PAYMENT_REFUSED AMOUNT_MISMATCH TRY_AGAIN".split()
)
RETRYABLE = frozenset({"TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"})
#: The codes with a hint when to ask again: the service's, or RETRY_AFTER_MS.
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
#: The client can send a read again that ended with one of these. Any other end without a reason is a fault inside.
_TRANSIENT = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.CANCELLED,
    }
)
#: The argument that a refusal is about when it names no field itself.
_ARGUMENT_OF_REASON = {
    "SLOT_TAKEN": "time",
    "OUTSIDE_WORKING_HOURS": "time",
    "TOO_SOON": "time",
    "START_NOT_OFFERED": "time",
    "TOO_FAR_AHEAD": "time",
    "LENGTH_NOT_OFFERED": "durationMinutes",
    "STUDENT_BUSY": "time",
    "TUTOR_NOT_FOUND": "tutorId",
    "COURSE_NOT_FOUND": "courseId",
    "COURSE_NOT_PUBLISHED": "courseId",
    "COURSE_FULL": "courseId",
    "ALREADY_ENROLLED": "courseId",
    "IDEMPOTENCY_MISMATCH": "idempotencyKey",
    "QUOTE_EXPIRED": "quoteToken",
}
#: The arguments that are called otherwise than the services' fields.
_ARGUMENT_OF_FIELD = {
    "start": "time",
    "start_time": "time",
    "page_size": "first",
    "page_token": "after",
    "expected_price": "price",
    "blocks[0].start": "start",
    "blocks[0].end": "end",
    "blocks[0].reason": "reason",
    "block_id": "id",
}


def field_resolver(resolver: Resolver) -> Resolver:
    """A decorator for resolvers: a refusal becomes a GraphQL error with a code."""

    @functools.wraps(resolver)
    async def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        with Measured(info) as field:
            try:
                value = await resolver(source, info, **arguments)
            except (Refusal, CallFailed) as error:
                raise to_graphql_error(error, info) from error
            field.answers()
            return value

    return resolve


def mutation_resolver(resolver: Resolver) -> Resolver:
    """A decorator for a mutation's resolvers: a refusal by a business rule, or an unknown outcome, becomes a UserError."""

    @functools.wraps(resolver)
    async def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        info.context.forget_answers()
        show_faults(info.field_name)
        with Measured(info) as field:
            try:
                value = await resolver(source, info, **arguments)
            except (Refusal, CallFailed) as error:
                answer = user_error(error, info)
                if answer is None:
                    raise to_graphql_error(error, info) from error
                field.refuses(answer["code"])
                return {"userErrors": [answer]}
            finally:
                info.context.forget_answers()  # the mutation may have changed what it read on the way
            field.answers()
            return value

    return resolve


def user_error(error: Refusal | CallFailed, info: Info) -> dict[str, Any] | None:
    """The UserError for this; None when it must be a GraphQL error."""
    if isinstance(error, CallFailed):
        if error.definite:
            return None
        log().warning("peer_failed", field=info.field_name, **describe(error))
        return _user_error("TRY_AGAIN", "not now; the same request may be sent again", None)
    if error.reason == RateLimited.reason:
        return None
    if error.reason in USER_ERROR_CODES:
        path = argument_path(info, error.field) or _path_of_reason(error.reason, info)
        return _user_error(error.reason, _message(error, path), path)
    if error.status_code in (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED):
        return _user_error("TRY_AGAIN", error.message, None)
    return None


def _user_error(code: str, message: str, field: list[str] | None) -> dict[str, Any]:
    return {"code": code, "message": message, "field": field, "retryable": code in RETRYABLE}


def _path_of_reason(reason: str, info: Info) -> list[str] | None:
    name, arguments = _ARGUMENT_OF_REASON.get(reason, ""), info.parent_type.fields[info.field_name].args
    if name.endswith("Id") and name not in arguments:
        name = "id"
    return [name] if name in arguments else None


def to_graphql_error(error: Refusal | CallFailed, info: Info) -> GraphQLError:
    """The GraphQL error for this; its message names fields as the client does."""
    if error.status_code is StatusCode.UNAUTHENTICATED and error is not info.context.nobody:
        return _distrust_error(error, info)
    if isinstance(error, CallFailed):
        return _call_error(error, info)
    extensions = _extensions(error)
    path = argument_path(info, error.field)
    if path:
        extensions["field"] = path
    message = _message(error, path)
    if extensions["code"] == "BAD_USER_INPUT" and error.reason in USER_ERROR_CODES:  # a query has no userErrors
        message = f"{error.reason}: {message}"
    return GraphQLError(message, extensions=extensions)


def refusal_error(refusal: Refusal) -> GraphQLError:
    """The GraphQL error of a request that is refused as a whole, before any field is resolved."""
    return GraphQLError(refusal.message, extensions=_extensions(refusal))


def _extensions(refusal: Refusal) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": error_code(refusal)}
    if refusal.retry_after and extensions["code"] in LATER:
        extensions["retryAfterMs"] = round(refusal.retry_after * 1000)
    return extensions


def _distrust_error(error: Refusal | CallFailed, info: Info) -> GraphQLError:
    """A peer rejects the person's token, which we have verified, or the edge's own. The person cannot mend that."""
    log().warning("peer_did_not_believe_us", field=info.field_name, **describe(error))
    return unavailable()


def error_code(refusal: Refusal) -> str:
    """The contract's error code of a refusal."""
    if refusal.reason == RateLimited.reason:
        return RateLimited.reason
    return _CODES.get(refusal.status_code, "NOT_FOUND" if refusal.reason.endswith("_NOT_FOUND") else "BAD_USER_INPUT")


def _call_error(error: CallFailed, info: Info) -> GraphQLError:
    log().warning("peer_failed", field=info.field_name, **describe(error))
    if error.status_code in _TRANSIENT:
        return unavailable()
    return GraphQLError("internal error", extensions={"code": "INTERNAL"})


def unavailable() -> GraphQLError:
    return GraphQLError("not now; the same request may be sent again", extensions={"code": "UNAVAILABLE"})


def argument_path(info: Info, field: str) -> list[str] | None:
    """The path, in this field's arguments, of a proto's field (`start_time`, `weekly[0].end`)."""
    if not field:
        return None
    arguments = info.parent_type.fields[info.field_name].args
    if _ARGUMENT_OF_FIELD.get(field) in arguments:
        return [_ARGUMENT_OF_FIELD[field]]
    path = [part for part in re.split(r"[.\[\]]+", re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), field)) if part]
    if path and path[0] not in arguments and "input" in arguments:
        return ["input", *path]
    return ["id"] if path and path[0].endswith("Id") and path[0] not in arguments and "id" in arguments else path


def _message(refusal: Refusal, path: list[str] | None) -> str:
    prefix = f"{refusal.field}: "
    if path and refusal.field and refusal.message.startswith(prefix):
        return f"{'.'.join(path)}: {refusal.message.removeprefix(prefix)}"
    return refusal.message


def format_error(error: GraphQLError) -> dict[str, Any]:
    """The error as the client gets it: with a code, and without internals."""
    extensions = dict(error.extensions or {})
    if "code" not in extensions:
        extensions["code"] = _code_of_untyped(error)
    ERRORS.labels(extensions["code"]).inc()
    if extensions["code"] == "INTERNAL":
        return {**error.formatted, "message": "internal error", "extensions": {"code": "INTERNAL"}}
    if extensions["code"] in LATER:
        extensions.setdefault("retryAfterMs", RETRY_AFTER_MS)
    return {**error.formatted, "extensions": extensions}


def _code_of_untyped(error: GraphQLError) -> str:
    """graphql-core's own error is the client's fault, unless one of our resolvers or values broke."""
    if error.path is None or error.original_error is None or isinstance(error.original_error, GraphQLError):
        return "BAD_USER_INPUT"
    log().error("resolver_crashed", path=list(error.path), exc_info=error.original_error)
    return "INTERNAL"
