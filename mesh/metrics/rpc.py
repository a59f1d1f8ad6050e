"""RPCs: rate, errors and duration, of those that are served and of those that are made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from grpc import StatusCode

from mesh import tracing
from mesh.errors import CallFailed, Refusal
from mesh.metrics.registry import LONG_SECONDS, Words, counter, exemplar, gauge, histogram

SERVED = histogram(
    "tutormesh_rpc_duration_seconds",
    "How long served calls took, by RPC and gRPC status code. Streams are not in here.",
    ("rpc", "code"),
)
SERVED_STREAMS = histogram(
    "tutormesh_rpc_stream_duration_seconds",
    "How long served streams lasted, by RPC and gRPC status code.",
    ("rpc", "code"),
    buckets=LONG_SECONDS,
)
REFUSED = counter(
    "tutormesh_rpc_refusals_total",
    "Served RPCs that were refused, by RPC and the reason of the refusal.",
    ("rpc", "reason"),
)
UNDER_WAY = gauge(
    "tutormesh_rpcs_in_progress", "RPCs of services that are being served now, by kind: unary or stream.", ("kind",)
)
MADE = histogram(
    "tutormesh_rpc_client_duration_seconds",
    "How long calls to other services took, by RPC and gRPC status code. Streams are not in here.",
    ("rpc", "code"),
)
MADE_STREAMS = histogram(
    "tutormesh_rpc_client_stream_duration_seconds",
    "How long streams from other services lasted, by RPC and gRPC status code.",
    ("rpc", "code"),
    buckets=LONG_SECONDS,
)

_REASONS = Words()


def note_served(method: str, seconds: float, code: StatusCode, reason: str = "", *, stream: bool = False) -> None:
    """A service's RPC has ended."""
    name = tracing.short(method)
    (SERVED_STREAMS if stream else SERVED).labels(name, code.name).observe(seconds, exemplar())
    if reason:
        REFUSED.labels(name, _REASONS.label(reason)).inc()


@contextlib.contextmanager
def call_made(method: str) -> Iterator[None]:
    """The block makes an RPC, and raises what the peer answered."""
    began, code = time.perf_counter(), StatusCode.CANCELLED
    try:
        yield
        code = StatusCode.OK
    except (Refusal, CallFailed) as error:
        code = error.status_code
        raise
    finally:
        MADE.labels(tracing.short(method), code.name).observe(time.perf_counter() - began, exemplar())


def note_stream_made(method: str, seconds: float, code: StatusCode) -> None:
    """A stream from a peer has ended."""
    MADE_STREAMS.labels(tracing.short(method), code.name).observe(seconds, exemplar())
