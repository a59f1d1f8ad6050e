"""Errors in Stripe's format."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """An error answer. `executed` is true when the operation had begun: the idempotency key then keeps this answer.

    Source: Stripe, "Errors" and "Idempotent requests".
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self._error = {"code": code, "message": message, "param": param, "type": type, **extra}

    def body(self) -> Json:
        """The JSON body. Fields without a value are left out, as Stripe does."""
        error = {name: value for name, value in self._error.items() if value is not None}
        if "code" in error:
            error["doc_url"] = doc_url(error["code"])
        return {"error": error}


def doc_url(code: str) -> str:
    """The page on which Stripe explains an error code."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def missing(param: str) -> ApiError:
    """The error for a required parameter that is missing."""
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, identifier: str, param: str = "id", status: int = 404) -> ApiError:
    """The error for an unknown id. Stripe answers 404 for an id in the path, and 400 for one in a parameter."""
    return ApiError(f"No such {kind}: '{identifier}'", status=status, code="resource_missing", param=param)


def server_error() -> ApiError:
    """The error for a failure of Stripe's own."""
    return ApiError("An unknown error occurred", status=500, type="api_error")


def rate_limited() -> ApiError:
    """The error for too many requests; nothing was executed."""
    return ApiError(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
    )


def unrecognized(method: str, path: str) -> ApiError:
    """The error for an unknown route."""
    return ApiError(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
    )
