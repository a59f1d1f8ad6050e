"""How a served RPC ends: what its caller is answered, and what its log line, metrics and span tell."""

from __future__ import annotations

import time

import grpc
from grpc import StatusCode

from mesh import calls, errors, tracing
from mesh.concurrency import Context
from mesh.errors import Forbidden, Refusal, Unauthenticated
from mesh.logs import log
from mesh.metrics import rpc


async def refuse(method: str, began: float, context: Context, error: Exception, *, stream: bool = False) -> None:
    """Answer with the status of an error, and note the end. It always raises."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, errors.CallFailed):  # the caller learns only that it may try again; the log has the rest
        log().warning("peer_failed", method=method, **errors.describe(error))
        error = errors.TryAgain()
    if isinstance(error, Refusal):
        code, message, trailing = errors.to_status(error)
        note(method, began, code, error.reason, _why(error), stream=stream)
        await context.abort(code, message, trailing)
    tracing.fail(error)
    _count(method, time.perf_counter() - began, StatusCode.INTERNAL, stream=stream)
    log().error("rpc_crashed", method=method, exc_info=error)
    await context.abort(StatusCode.INTERNAL, "internal error")


def note(method: str, began: float, code: StatusCode, reason: str = "", why: str = "", *, stream: bool = False) -> None:
    """An RPC has ended. `began` is of time.perf_counter; `why` is told in the log alone."""
    seconds = time.perf_counter() - began
    _count(method, seconds, code, reason, stream=stream)
    fields = {name: text for name, text in (("reason", reason), ("why", why)) if text}
    milliseconds, caller = round(seconds * 1000, 1), calls.current().service
    log().info("rpc", method=method, code=code.name, ms=milliseconds, caller=caller, **fields)


def _count(method: str, seconds: float, code: StatusCode, reason: str = "", *, stream: bool) -> None:
    rpc.note_served(method, seconds, code, reason, stream=stream)
    tracing.mark("rpc.response.status_code", code.name)
    tracing.mark(f"{tracing.PREFIX}caller", calls.current().service)
    if reason:
        tracing.mark(f"{tracing.PREFIX}reason", reason)


def _why(refusal: Refusal) -> str:
    """What was wrong with the caller; empty for a refusal of what it asked for."""
    return refusal.message if isinstance(refusal, Unauthenticated | Forbidden) else ""
