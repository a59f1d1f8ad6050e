"""gRPC servers: their limits, health, reflection, and the drain at their end. `mesh.gate` has what each RPC passes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mesh import garbage, loops, unknown_paths
from mesh.callers import declared_callers
from mesh.certificates import CHECK_SECONDS
from mesh.concurrency import AddressLimit, ConcurrencyLimit, PublicLimit
from mesh.gate import Gate, RpcLimits
from mesh.health import NOT_SERVING, SERVING, Health
from mesh.identity import Verifier
from mesh.logs import log
from mesh.metrics import rpc
from mesh.settings import ServiceSettings

unknown_paths.refuse_them()

__all__ = ["MAX_MESSAGE_BYTES", "NOT_SERVING", "SERVING", "Server", "Service", "serve"]

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: Calls and streams of identified services at once. They have separate limits, because watchers wait long, cost little,
#: and must not crowd out the calls.
MAX_CALLS, MAX_STREAMS = 256, 1024
#: Health checks, watches of health and reflection at once: in all, and of one connection.
MAX_PUBLIC, MAX_PUBLIC_OF_A_CONNECTION = 512, 64
#: Callers whose token is being verified: in all, and of one address. Only a fetch of the issuer's keys takes time.
MAX_UNIDENTIFIED, MAX_UNIDENTIFIED_OF_AN_ADDRESS = 1024, 256
#: RPCs beyond these limits that are read too, to be refused by name: almost all end at once. gRPC itself rejects the
#: rest unread (errors.SERVER_IS_FULL).
SPARE_RPCS = 4096

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A connection that never begins HTTP/2, and one without any RPC. Channels of the mesh always watch health.
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 60_000),
)


#: Sets a status of `grpc.health.v1` by its name.
SetStatus = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class Service:
    """A servicer, its descriptor, and the generated function that adds it to a server."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


class Server:
    """A gRPC server. It binds at construction; `port` is the bound port, also when the settings ask for a free one (0).

    With MESH_TLS=on, every caller needs a certificate; HEALTH_PORT serves grpc.health.v1 alone, without one.
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
        max_public: int = MAX_PUBLIC,
        spare_rpcs: int = SPARE_RPCS,
    ) -> None:
        callers: dict[str, frozenset[str]] = {}
        for service in services:
            callers |= declared_callers(service.descriptor)
        limits = _measured_limits(max_calls, max_streams, max_public)
        self._server = grpc.aio.server(
            interceptors=[Gate(verifier, callers, limits, by_certificate=settings.certificates is not None)],
            # The edge has all its watches on one connection.
            options=_options(settings, max_streams=max_calls + max_streams + MAX_PUBLIC_OF_A_CONNECTION),
            maximum_concurrent_rpcs=max_calls + max_streams + max_public + spare_rpcs,
        )
        self._verifier, self._drain_seconds = verifier, settings.drain_seconds
        # Where processes share a port, a peer has a connection to one of them only. It finds the other when this one closes.
        self._drain_delay_seconds = 0.0 if settings.reuse_port else settings.drain_delay_seconds
        self._health = Health()
        self._names = ["", *(service.descriptor.full_name for service in services)]
        self._add(services)
        self.port = _bind(self._server, settings)
        #: The bound port of HEALTH_PORT; 0 without the setting.
        self.health_port, self._probes = 0, None
        if settings.health_port is not None:
            self._probes = grpc.aio.server(interceptors=[Gate(verifier, {}, limits)], options=OPTIONS)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probes)
            self.health_port = self._probes.add_insecure_port(settings.address(settings.health_port))
        self._certificates = settings.certificates
        self._looking: asyncio.Task[None] | None = None

    def _add(self, services: list[Service]) -> None:
        """Serve these, and health and reflection beside them."""
        for service in services:
            service.add(service.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*self._names[1:], "grpc.health.v1.Health", reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> None:
        self._verifier.fetch_keys()  # before the first callers come, so that they need not wait for it
        await self._server.start()
        if self._probes is not None:
            await self._probes.start()
        if self._certificates is not None:
            look = loops.run_forever("certificate_check", self._certificates.look, CHECK_SECONDS)
            self._looking = asyncio.create_task(look)
        await self.set_health(True)

    async def wait_for_end(self) -> None:
        """Return or raise when the server has ended without `stop`."""
        # Without a timeout, a cancel of this wait would cancel the drain too.
        while await self._server.wait_for_termination(timeout=3600):
            pass

    def set_status(self, name: str, serving: bool) -> None:
        """Set the answer of `grpc.health.v1` for one more name; of a name that was never set it says that there is none."""
        self._health.set(name, SERVING if serving else NOT_SERVING)

    async def set_health(self, serving: bool) -> None:
        """Set the answer of `grpc.health.v1`, for the server and each of its services."""
        for name in self._names:
            self._health.set(name, SERVING if serving else NOT_SERVING)

    async def leave(self) -> None:
        """Say that this server does not serve any more, and go on serving until its peers have turned to other replicas."""
        await self.set_health(False)
        await asyncio.sleep(self._drain_delay_seconds)

    async def stop(self) -> None:
        """Accept no more calls, let the running ones end within the drain time, close."""
        await self.set_health(False)
        await self._server.stop(self._drain_seconds)
        if self._probes is not None:
            await self._probes.stop(None)
        if self._looking is not None:
            self._looking.cancel()


def _measured_limits(max_calls: int, max_streams: int, max_public: int) -> RpcLimits:
    """The limits of a server. The metrics show how much of them is taken."""
    limits = RpcLimits(
        calls=ConcurrencyLimit(max_calls),
        streams=ConcurrencyLimit(max_streams),
        unidentified=AddressLimit(MAX_UNIDENTIFIED, MAX_UNIDENTIFIED_OF_AN_ADDRESS),
        public=PublicLimit(max_public, MAX_PUBLIC_OF_A_CONNECTION),
    )
    rpc.UNDER_WAY.labels("unary").set_function(lambda: limits.calls.taken)
    rpc.UNDER_WAY.labels("stream").set_function(lambda: limits.streams.taken)
    return limits


def _options(settings: ServiceSettings, max_streams: int) -> list[tuple[str, int]]:
    """gRPC's options of a server whose connections have at most so many RPCs at once."""
    return [
        *OPTIONS,
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_age_grace_seconds * 1000)),
        ("grpc.max_concurrent_streams", max_streams),
    ]


def _bind(server: grpc.aio.Server, settings: ServiceSettings) -> int:
    """Bind with certificates, or in plaintext where the settings allow that. Raises ValueError where they do not."""
    address = settings.address(settings.port)
    if settings.certificates is not None:
        return server.add_secure_port(address, settings.certificates.for_servers())
    if (fault := settings.plaintext_fault()) is not None:
        raise ValueError(fault)
    return server.add_insecure_port(address)


async def serve(
    server: Server,
    *,
    watch: Callable[[SetStatus], Coroutine[Any, Any, None]] | None = None,
    stopping: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Then leave, await `stopping`, which may end streams, and drain the server.

    `watch` runs meanwhile, and may set further statuses of `grpc.health.v1` (mesh.database_watch).
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    garbage.tune()
    await server.start()
    log().info("serving", port=server.port)
    async with _running(watch(server.set_status) if watch else None):
        await _wait_for_signal(server, stop)
        log().info("draining")
        await server.leave()  # first of all: streams that are ended then are opened again at another replica
        if stopping is not None:
            await stopping()
        await server.stop()


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None] | None) -> AsyncIterator[None]:
    """Within, the work runs; at the end it is cancelled."""
    task = asyncio.create_task(work) if work else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _wait_for_signal(server: Server, stop: asyncio.Event) -> None:
    """Return at the signal. Raises RuntimeError when the server ends by itself: a supervisor starts the process again."""
    stopping, ended = asyncio.create_task(stop.wait()), asyncio.create_task(server.wait_for_end())
    await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
    if ended.done() and not stop.is_set():
        log().error("server_ended", alert=True)
        raise RuntimeError("the server has ended by itself") from ended.exception()
    ended.cancel()
