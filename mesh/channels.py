"""Channels to peers: round robin with health checks, repeats, deadline and identity sent along.

A channel repeats a call whose peer went away, within the deadline. UNAVAILABLE is a peer that cannot be reached, or a
connection that broke. CANCELLED is how gRPC's server answers a call that arrives while it stops: it has begun none of those
(it ends calls that have begun with UNAVAILABLE). Each of our RPCs may come twice, so that a repeat is safe either way.

Every call must carry `timeout=`. The service config has no `timeout` of its own: gRPC was seen to fire it early.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextvars import copy_context
from typing import Any, TypeVar

import grpc
from grpc.aio import ClientCallDetails, Metadata

from mesh import about, calls, tracing
from mesh.certificates import Certificates
from mesh.errors import CallFailed, MadeCall, Refusal, from_error
from mesh.identity import CredentialSource
from mesh.metrics import rpc
from mesh.renewed_channels import RenewedChannel
from mesh.server import MAX_MESSAGE_BYTES
from mesh.spread_channel import OWN_CONNECTION, SpreadChannel

M = TypeVar("M")

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,  # gRPC allows no more
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # All calls under way may meet the stop of a replica at once: half of the tokens is for them. gRPC allows no more.
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.5},
}

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.enable_http_proxy", 0),  # a peer is one of us, never behind the proxy of the environment
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Names are resolved again when a connection ends, but not more often than this. gRPC's own value is 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)


class _Outgoing:
    """Adds the rest of the deadline, the tokens, the request id and the ids of what it is about to a call."""

    def __init__(self, peer: str, credentials: CredentialSource) -> None:
        self._peer, self._credentials = peer, credentials

    def add_context(self, details: ClientCallDetails, sent: Mapping[str, str]) -> ClientCallDetails:
        """`sent`: the ids of the message that is sent."""
        if details.timeout is None:
            raise ValueError(f"{details.method!r} is called without timeout=")
        call, left = calls.current(), calls.remaining()
        metadata = Metadata(*(details.metadata or ()), *self._credentials.metadata(), ("x-request-id", call.request_id))
        if ids := about.to_metadata(sent):
            metadata.add(about.METADATA, ids)
        if here := tracing.traceparent():
            metadata.add(tracing.TRACEPARENT, here)
        if call.person is not None:
            metadata.add("authorization", f"Bearer {call.person.token}")
        timeout = details.timeout if left is None else min(details.timeout, left)
        return ClientCallDetails(details.method, timeout, metadata, details.credentials, details.wait_for_ready)


class UnaryCalls(_Outgoing, grpc.aio.UnaryUnaryClientInterceptor):
    """Sends the current call's context along, and raises the peer's refusal as an exception of ours."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Awaitable[Any]], client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        sent = about.ids_of(request)
        about.learn(sent)
        name = _name_of(client_call_details)
        with tracing.span(tracing.short(name), "client", answers=(Refusal,)), rpc.call_made(name):
            call = await continuation(self.add_context(client_call_details, sent), request)
            try:
                response = await call
            except grpc.aio.AioRpcError as error:
                tracing.mark("rpc.response.status_code", error.code().name)
                raise _failure_of(error, self._peer, name) from None
            about.learn(about.ids_of(response))
            return response


class StreamCalls(_Outgoing, grpc.aio.UnaryStreamClientInterceptor):
    """Sends the current call's context along. `messages` raises the errors of the stream."""

    async def intercept_unary_stream(
        self, continuation: Callable[..., Awaitable[Any]], client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        sent = about.ids_of(request)
        about.learn(sent)
        opened = _OpenedStream(_name_of(client_call_details))
        details = opened.context.run(self.add_context, client_call_details, sent)  # its traceparent is the span's
        call = await continuation(details, request)
        call.add_done_callback(opened.note_end)
        return call


class _OpenedStream:
    """The span and the metric of a stream, from its opening to its end. `context` is that of its span."""

    def __init__(self, name: str) -> None:
        self._name, self._began, self.context = name, time.perf_counter(), copy_context()
        self._span = tracing.span(tracing.short(name), "client")
        self.context.run(self._span.__enter__)

    def note_end(self, call: grpc.aio.Call) -> None:
        # A task, since a call tells its code to a coroutine only. This one has ended, so nothing is waited for.
        asyncio.get_running_loop().create_task(self._note_end(call), context=self.context)

    async def _note_end(self, call: grpc.aio.Call) -> None:
        code = await call.code()
        tracing.mark("rpc.response.status_code", code.name)
        rpc.note_stream_made(self._name, time.perf_counter() - self._began, code)
        self._span.__exit__(None, None, None)


def connect(
    address: str,
    credentials: CredentialSource,
    service: str = "",
    certificates: Certificates | None = None,
    *,
    connections: int = 1,
) -> grpc.aio.Channel:
    """Open a channel to a peer ("host:port", or "dns:///name:port" for all replicas that have the name).

    With certificates, which credentials may be too, the peer must have one of this service ("payment"). Without, the channel
    is in plaintext: for loopback, and where a sidecar encrypts. Raises ValueError for certificates without a service.
    `connections`: how many to each address, which calls take in turn.
    """
    if connections == 1:
        return _open(address, credentials, service, certificates, OPTIONS)
    own = (*OPTIONS, OWN_CONNECTION)
    return SpreadChannel([_open(address, credentials, service, certificates, own) for _ in range(connections)])


def _open(
    address: str,
    credentials: CredentialSource,
    service: str,
    certificates: Certificates | None,
    options: tuple[tuple[str, Any], ...],
) -> grpc.aio.Channel:
    interceptors: list[grpc.aio.ClientInterceptor] = [
        UnaryCalls(address, credentials),
        StreamCalls(address, credentials),
    ]
    if isinstance(credentials, Certificates):
        certificates = credentials
    if certificates is None:
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
    if not service:
        raise ValueError("service= must say whose certificate the peer must have")
    return RenewedChannel(address, service, certificates, options, interceptors)


def _name_of(details: ClientCallDetails) -> str:
    """The RPC of a call, as package.Service/Method."""
    name: str | bytes = details.method
    return (name if isinstance(name, str) else name.decode()).lstrip("/")


def _failure_of(error: grpc.aio.AioRpcError, peer: str, method: str) -> Refusal | CallFailed:
    failure = from_error(error)
    failure.made = MadeCall(peer, method)
    return failure


async def messages(stream: AsyncIterable[M]) -> AsyncGenerator[M, None]:
    """The messages of a server stream. Raises the peer's Refusal, or CallFailed, when the stream ends with an error."""
    try:
        async for message in stream:
            yield message
    except grpc.aio.AioRpcError as error:
        raise from_error(error) from None
