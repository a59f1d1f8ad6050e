"""gRPC servers: they check identity and callers, type errors, log each RPC, answer health checks and drain at the end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from mesh import calls, errors
from mesh.callers import declared
from mesh.calls import Call
from mesh.errors import Forbidden, Overloaded, Refusal, Unauthenticated
from mesh.identity import Verifier
from mesh.logs import log
from mesh.settings import ServiceSettings

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: Calls and streams at once. They have separate limits, because watchers wait long, cost little, and must not crowd out
#: the calls.
MAX_CALLS, MAX_STREAMS = 256, 1024
#: RPCs beyond both limits that are read too: health checks, reflection, and calls that get a typed Overloaded. gRPC
#: itself rejects the rest unread (errors.SERVER_IS_FULL).
SPARE_RPCS = 64
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A servicer, its descriptor, and the generated function that adds it to a server."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


class Room:
    """A limit on how many may be inside at once. Entering a full one raises Overloaded."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def enter(self) -> None:
        if self.taken >= self.most:
            raise Overloaded
        self.taken += 1

    def leave(self) -> None:
        self.taken -= 1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()


Handler = Any  # grpc.RpcMethodHandler; its stubs know only synchronous behaviours


class Gate(grpc.aio.ServerInterceptor):
    """The interceptor that every RPC passes: it verifies the caller, takes the deadline over, and logs the outcome."""

    def __init__(
        self, verifier: Verifier, callers: dict[str, frozenset[str]], max_calls: int, max_streams: int
    ) -> None:
        self._verifier, self._callers = verifier, callers
        self._calls, self._streams = Room(max_calls), Room(max_streams)
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or method not in self._callers:  # an unknown method, or health and reflection: open to all
            return handler
        self._handlers[method] = self._wrap(method, handler)
        return self._handlers[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._wrap_unary(method, handler.unary_unary), **codec)
        return grpc.unary_stream_rpc_method_handler(self._wrap_stream(method, handler.unary_stream), **codec)

    def _wrap_unary(self, method: str, serve: Callable[..., Awaitable[Message]]) -> Callable[..., Awaitable[Message]]:
        async def unary(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            began = time.perf_counter()
            try:
                with self._calls:
                    await self._enter(method, context)
                    response = await serve(request, context)
            except asyncio.CancelledError:  # the deadline has passed, the client has left, or the drain is over
                _tell(method, began, StatusCode.CANCELLED)
                raise
            except Exception as error:
                await _abort(method, began, context, error)
                raise AssertionError("abort always raises") from error
            _tell(method, began, StatusCode.OK)
            return response

        return unary

    def _wrap_stream(
        self, method: str, serve: Callable[..., AsyncIterator[Message]]
    ) -> Callable[..., AsyncIterator[Message]]:
        async def stream(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            began = time.perf_counter()
            try:
                with self._streams:
                    await self._enter(method, context)
                    async for response in serve(request, context):
                        yield response
            except (asyncio.CancelledError, GeneratorExit):
                _tell(method, began, StatusCode.CANCELLED)
                raise
            except Exception as error:
                await _abort(method, began, context, error)
            _tell(method, began, StatusCode.OK)

        return stream

    async def _enter(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        left = context.time_remaining()
        call = Call(
            request_id=_request_id(metadata.get("x-request-id", "")),
            deadline=None if left is None else asyncio.get_running_loop().time() + left,
        )
        calls.enter(call)
        person, service = await self._identify(metadata)
        calls.enter(Call(call.request_id, call.deadline, person, service))
        if service not in self._callers[method]:
            raise Forbidden(f"{method.rpartition('/')[2]} may not be called by {service or 'a person'}")

    async def _identify(self, metadata: dict[str, str]) -> tuple[calls.Person | None, str]:
        """Verify the tokens of a call. `authorization` takes a person's token, or a service's (handy with grpcurl)."""
        person, service = None, ""
        bearer = metadata.get("authorization", "")
        if bearer:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("authorization must be a Bearer token")
            claims = await self._verifier.verify(token.strip())
            if claims.service:
                service = claims.service
            else:
                person = claims.person
        own = metadata.get("x-service-token", "")
        if own:
            service = (await self._verifier.verify(own)).service
        if person is None and not service:
            raise Unauthenticated("a token must be given")
        return person, service


def _request_id(given: str) -> str:
    """The caller's own request id; a new one when it sent none, or only the mark of being in no call."""
    return calls.new_request_id() if given in ("", calls.NO_CALL) else given[:64]


async def _abort(method: str, began: float, context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, errors.CallFailed):  # the caller learns only that it may try again; the log has the rest
        log().warning("peer_failed", method=method, error=str(error))
        error = errors.TryAgain()
    if isinstance(error, Refusal):
        code, message, trailing = errors.to_status(error)
        _tell(method, began, code, error.reason)
        await context.abort(code, message, trailing)
    log().error("rpc_crashed", method=method, exc_info=error)
    await context.abort(StatusCode.INTERNAL, "internal error")


def _tell(method: str, began: float, code: StatusCode, reason: str = "") -> None:
    call = calls.current()
    fields = {"reason": reason} if reason else {}
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    log().info("rpc", method=method, code=code.name, ms=milliseconds, caller=call.service, **fields)


class Server:
    """A gRPC server. It binds at construction; `port` is the bound port, also when the settings ask for a free one (0).

    A full server answers Overloaded, with the seconds after which the caller may come again.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        verifier: Verifier,
        services: list[Service],
        *,
        max_calls: int = MAX_CALLS,
        max_streams: int = MAX_STREAMS,
        spare_rpcs: int = SPARE_RPCS,
    ) -> None:
        callers: dict[str, frozenset[str]] = {}
        for service in services:
            callers |= declared(service.descriptor)
        self._server = grpc.aio.server(
            interceptors=[Gate(verifier, callers, max_calls, max_streams)],
            options=[*OPTIONS, ("grpc.so_reuseport", int(settings.reuse_port))],
            maximum_concurrent_rpcs=max_calls + max_streams + spare_rpcs,
        )
        self._drain_seconds = settings.drain_seconds
        self._health = HealthServicer()
        self._names = ["", *(service.descriptor.full_name for service in services)]
        for service in services:
            service.add(service.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*self._names[1:], "grpc.health.v1.Health", reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        self.port = self._server.add_insecure_port(f"{settings.host}:{settings.port}")

    async def start(self) -> None:
        await self._server.start()
        await self.set_health(True)

    async def set_health(self, serving: bool) -> None:
        """Set the answer of `grpc.health.v1`, for the server and each of its services."""
        for name in self._names:
            await self._health.set(name, SERVING if serving else NOT_SERVING)

    async def stop(self) -> None:
        """Accept no more calls, let the running ones end within the drain time, close."""
        await self.set_health(False)
        await self._server.stop(self._drain_seconds)


async def serve(server: Server, *, stopping: Callable[[], Awaitable[None]] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Then await `stopping`, which may end streams, and drain the server."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    log().info("serving", port=server.port)
    await stop.wait()
    log().info("draining")
    await server.set_health(False)  # first of all: peers choose another replica while streams are ended
    if stopping is not None:
        await stopping()
    await server.stop()
