"""The whole mesh in the test's own process: real gRPC, real HTTP, real PostgreSQL, Stripe's own wire.

Replicas of payment_svc are engine instances of their own, with their own connections; `kill` drops one as a dead
process is dropped: its tasks are gone and its connections are cut, whatever they were doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import grpc
import pytest
import uvicorn
from sqlalchemy import make_url

from availability_svc.servicer import AvailabilityServicer
from availability_svc.settings import Settings as AvailabilitySettings
from availability_svc.store import VIOLATIONS as AVAILABILITY_VIOLATIONS
from availability_svc.worker import BookingHoldCleanupJob
from bff.app import build as build_bff
from bff.peers import Peers as BffPeers
from bff.settings import Options
from bff.settings import Settings as BffSettings
from booking_svc.bookings import Bookings
from booking_svc.servicer import BookingServicer
from booking_svc.settings import Settings as BookingSettings
from booking_svc.store import VIOLATIONS as BOOKING_VIOLATIONS
from booking_svc.store import Store as BookingStore
from devkit.ports import reserve_port
from devkit.sandbox.app import build as build_sandbox
from devkit.sandbox.settings import Settings as SandboxSettings
from devkit.sandbox.store import Store as ProviderStore
from learning_svc.servicer import LearningServicer
from learning_svc.settings import Settings as LearningSettings
from learning_svc.store import VIOLATIONS as LEARNING_VIOLATIONS
from mesh import channels
from mesh.changes import Changes
from mesh.database import Database
from mesh.errors import CallFailed
from mesh.identity import Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from mesh.watches import Watches
from payment_svc.__main__ import App, compose, open_channels, open_notifiers, open_stripe
from payment_svc.notifications.delivering import routes_of
from payment_svc.peers import Peers
from payment_svc.providers.registry import list_providers
from payment_svc.providers.sessions import AskedEngine, PaymentSessions
from payment_svc.providers.stripe import StripeProvider
from payment_svc.settings import Settings as PaymentSettings
from payment_svc.store import VIOLATIONS as PAYMENT_VIOLATIONS
from payment_svc.store import Stores
from payment_svc.worker import run_loops
from session_svc.convert import Encoder as SessionEncoder
from session_svc.servicer import SessionServicer
from session_svc.sessions import Sessions
from session_svc.settings import Settings as SessionSettings
from session_svc.store import VIOLATIONS as SESSION_VIOLATIONS
from session_svc.store import Store as SessionStore
from tests.conftest import FixedToken, MakeDatabase
from tutormesh.availability.v1 import availability_pb2, availability_pb2_grpc
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.learning.v1 import learning_pb2, learning_pb2_grpc
from tutormesh.session.v1 import session_pb2, session_pb2_grpc

WEBHOOK_SECRET = "whsec_test_of_the_world"
LINK_SECRET = "link-secret-of-the-world-of-the-tests"
PACKAGES = ("availability_svc", "booking_svc", "learning_svc", "payment_svc", "session_svc")


Hook = Callable[[str], Awaitable[None]]


class Hooked:
    """Passes everything on; every awaited call meets the hook before it and after it."""

    def __init__(self, inner: Any, hook: Hook) -> None:
        self._inner, self._hook = inner, hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not (inspect.iscoroutinefunction(found) or isinstance(found, grpc.aio.UnaryUnaryMultiCallable)):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._hook(f"before {name}")
            answer = await found(*args, **kwargs)
            await self._hook(f"after {name}")
            return answer

        return call


def hooked(ports: Any, hook: Hook) -> list[Any]:
    """Each port of a dataclass of ports, hooked."""
    return [Hooked(getattr(ports, port.name), hook) for port in fields(ports)]


class StallAt:
    """A hook that stops whoever comes to a point first, and its lease's renewals with it, until it is let go."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, point: str) -> None:
        if point == self.point:
            self.reached.set()
        if self.reached.is_set() and point in (self.point, "before renew"):
            await self.go.wait()


class FailAt:
    """A hook that loses the answer (or the call) at a point, a number of times."""

    def __init__(self, point: str, times: int = 1) -> None:
        self.point, self.times = point, times

    async def __call__(self, point: str) -> None:
        if point == self.point and self.times > 0:
            self.times -= 1
            raise CallFailed(grpc.StatusCode.UNAVAILABLE, "the answer was lost")


@dataclass
class Replica:
    """One payment_svc."""

    app: App
    database: Database
    server: Server
    stack: contextlib.AsyncExitStack
    loops: contextlib.AsyncExitStack

    async def kill(self) -> None:
        """Die as by kill -9: no drain, no goodbye. What was already sent to PostgreSQL is what it has heard."""
        app = self.app
        doing: set[asyncio.Task[Any]] = {
            *app.engine._runs.values(),
            *app.inbox._under_way,
            *app.deliveries._under_way,
        }
        while doing:  # again and again: libraries lose a cancel that meets an answer
            for task in doing:
                task.cancel()
            _, doing = await asyncio.wait(doing, timeout=0.1)
        await self.server._server.stop(0)
        await self.loops.aclose()
        await self.stack.aclose()


@dataclass
class World:
    """Addresses, databases and the pieces that tests take hold of."""

    urls: dict[str, str]
    sandbox_url: str
    bff_url: str
    token: Callable[..., str]
    auth: dict[str, Any]
    verifier: Verifier
    ports: dict[str, int]
    provider: ProviderStore  # what Stripe has, to look at
    overrides: dict[str, Any] = field(default_factory=dict)
    pooled: Callable[[str], str] | None = None  # the URL through a pooler of what another URL leads to
    asked: dict[str, AskedEngine] = field(default_factory=dict)  # the providers that are asked for payment sessions
    replicas: list[Replica] = field(default_factory=list)
    databases: dict[str, Database] = field(default_factory=dict)  # the other services', by name
    _pools: dict[str, Any] = field(default_factory=dict)

    async def sql(self, service: str, statement: str, *values: Any) -> list[Any]:
        """Rows straight from a service's database."""
        if service not in self._pools:
            url = self.urls[f"{service}_svc"].replace("+asyncpg", "")
            self._pools[service] = await asyncpg.create_pool(url, min_size=0, max_size=4)
        return list(await self._pools[service].fetch(statement, *values))

    def database(self, package: str) -> dict[str, Any]:
        """The settings of a service's database, through the pooler where the world has one."""
        url = self.urls[package]
        if self.pooled is None:
            return {"database_url": url}
        return {"database_url": self.pooled(url), "database_pooler": "transaction", "database_direct_url": url}

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.close()

    def credentials(self, service: str, person: str | None = None) -> FixedToken:
        return FixedToken(service, self.token("service", service=service), person)

    async def start_replica(self, hook: Hook | None = None, **changes: Any) -> Replica:
        """One more payment_svc on the same port; `hook` is awaited around each step and commit of its sagas."""
        stack, loops = contextlib.AsyncExitStack(), contextlib.AsyncExitStack()
        settings = self.payment_settings(**changes)
        stripe = open_stripe(settings)
        if stripe is not None:
            stack.push_async_callback(stripe.close)
        sessions = PaymentSessions(self.asked, settings.payment_engine_timeout_seconds)
        stack.push_async_callback(sessions.close)
        peers, opened = open_channels(settings, self.credentials("payment"))
        for channel in opened:
            stack.push_async_callback(channel.close)
        database = Database(
            settings.database_url, name="payment", violations=PAYMENT_VIOLATIONS, pooler=settings.database_pooler
        )
        stack.push_async_callback(database.close)
        notifiers = open_notifiers(settings)
        stores = Stores.of(database, f"replica-{uuid4().hex[:8]}", settings.saga_lease_seconds, routes_of(notifiers))
        if hook is not None:
            peers, stores = Peers(*hooked(peers, hook)), Stores(*hooked(stores, hook))
            stripe = cast(StripeProvider, Hooked(stripe, hook))
        app = compose(settings, stores, stripe, list_providers(stripe, database, sessions), peers, notifiers)
        stack.push_async_callback(app.deliveries.close)
        server = Server(settings, self.verifier, app.services)
        await server.start()
        await loops.enter_async_context(
            run_loops(app.engine, app.inbox, app.reconcile, app.forgetting, app.deliveries, settings.reconcile_seconds)
        )
        self.replicas.append(Replica(app, database, server, stack, loops))
        return self.replicas[-1]

    @contextlib.asynccontextmanager
    async def without_payment_database(self) -> AsyncIterator[None]:
        """Within, payment_svc's database refuses everybody."""
        name = make_url(self.urls["payment_svc"]).database
        await self.sql("booking", f'alter database "{name}" allow_connections false')
        await self.sql("booking", "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        try:
            yield
        finally:
            await self.sql("booking", f'alter database "{name}" allow_connections true')

    async def stop_replica(self, replica: Replica) -> None:
        """The graceful way."""
        self.replicas.remove(replica)
        await replica.server.stop()
        await replica.loops.aclose()
        await replica.app.engine.drain(5)
        await replica.stack.aclose()

    async def kill_replica(self, replica: Replica) -> None:
        self.replicas.remove(replica)
        await replica.kill()

    def payment_settings(self, **changes: Any) -> PaymentSettings:
        return PaymentSettings(
            _env_file=None,
            **{
                **self.auth,
                "port": self.ports["payment"],
                "reuse_port": True,
                "drain_seconds": 1,
                **self.database("payment_svc"),
                "availability_address": f"127.0.0.1:{self.ports['availability']}",
                "booking_address": f"127.0.0.1:{self.ports['booking']}",
                "session_address": f"127.0.0.1:{self.ports['session']}",
                "learning_address": f"127.0.0.1:{self.ports['learning']}",
                "stripe_secret_key": "sk_test_sandbox",
                "stripe_webhook_secret": WEBHOOK_SECRET,
                "stripe_api_base": self.sandbox_url,
                "stripe_timeout_seconds": 1.0,
                "saga_lease_seconds": 1.0,
                "reconcile_seconds": 3600,
                **self.overrides,
                **changes,
            },
        )


@contextlib.asynccontextmanager
async def world_of(
    make_database: MakeDatabase,
    token: Callable[..., str],
    auth: dict[str, Any],
    verifier: Verifier,
    folder: Path,
    *,
    availability: dict[str, Any] | None = None,
    payment: dict[str, Any] | None = None,
    learning: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
    pooled: Callable[[str], str] | None = None,
    edge: Options | None = None,
) -> AsyncIterator[World]:
    """A running mesh with one payment_svc. `availability`, `payment`, `learning`, `session` override settings of these.

    With options of its edge, the mesh has pages with an address, on which the sandbox's cards pay.
    """
    urls = {package: await make_database(package) for package in PACKAGES}
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_unwatched())
        ports = {"payment": reserve_port(), "bff": reserve_port(), "sandbox": reserve_port()}
        sandbox_url, bff_url = f"http://127.0.0.1:{ports['sandbox']}", f"http://127.0.0.1:{ports['bff']}"
        sandbox = SandboxSettings(
            data=str(folder / "stripe"),
            port=ports["sandbox"],
            webhook_url=f"{bff_url}/webhooks/stripe",
            webhook_secret=WEBHOOK_SECRET,
        )
        await stack.enter_async_context(_http(build_sandbox(sandbox), ports["sandbox"], lifespan="on"))
        provider = stack.enter_context(contextlib.closing(ProviderStore(folder / "stripe" / "sandbox.sqlite3")))
        provider.execute("create index by_saga on object (json_extract(body, '$.metadata.sagaId'))")
        of_pages = {"public_url": bff_url, "link_secret": LINK_SECRET} if edge else {}
        options = replace(edge, sandbox_url=sandbox_url) if edge else Options()
        overrides = of_pages | (payment or {})
        world = World(urls, sandbox_url, bff_url, token, auth, verifier, ports, provider, overrides, pooled)
        stack.push_async_callback(world.close)
        await _serve_availability(stack, world, availability or {})
        await _serve_bookings(stack, world)
        await _serve_sessions(stack, world, session or {})
        await _serve_courses(stack, world, learning or {})
        await world.start_replica()
        stack.push_async_callback(_stop_replicas, world)
        addresses = {f"{name}_address": f"127.0.0.1:{port}" for name, port in ports.items()}
        settings = BffSettings(_env_file=None, port=ports["bff"], service_token_file=Path("none"), **addresses, **auth)
        peers = await stack.enter_async_context(BffPeers(settings, world.credentials("bff")))
        bff = build_bff(peers, verifier, options=options)
        await stack.enter_async_context(_http(bff, ports["bff"], lifespan="off"))
        yield world


@contextlib.contextmanager
def _unwatched() -> Iterator[None]:
    """Within, channels do not watch the health of their peers.

    gRPC's core (1.85.1) dies of a segmentation fault once in about a thousand times that a watched server is stopped in
    the process of its watchers. No process of ours does that but these; tests/replicas and tests/chaos watch.
    """
    config = {name: value for name, value in channels.SERVICE_CONFIG.items() if name != "healthCheckConfig"}
    options = dict(channels.OPTIONS) | {"grpc.service_config": json.dumps(config)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(channels, "OPTIONS", tuple(options.items()))
        yield


async def _stop_replicas(world: World) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)


async def _serve_availability(stack: contextlib.AsyncExitStack, world: World, changes: dict[str, Any]) -> None:
    settings = AvailabilitySettings(
        _env_file=None, **{"port": 0, **world.database("availability_svc"), **world.auth, **changes}
    )
    database = world.databases["availability"] = await stack.enter_async_context(
        Database(
            settings.database_url,
            name="availability",
            violations=AVAILABILITY_VIOLATIONS,
            pooler=settings.database_pooler,
        )
    )
    service = Service(
        availability_pb2.DESCRIPTOR.services_by_name["AvailabilityService"],
        availability_pb2_grpc.add_AvailabilityServiceServicer_to_server,
        AvailabilityServicer(database, settings.terms, BookingHoldCleanupJob(database, settings.terms.grace)),
    )
    await _started(stack, world, "availability", settings, [service])


async def _serve_bookings(stack: contextlib.AsyncExitStack, world: World) -> None:
    settings = BookingSettings(_env_file=None, port=0, **world.database("booking_svc"), **world.auth)
    database = world.databases["booking"] = await stack.enter_async_context(
        Database(settings.database_url, name="booking", violations=BOOKING_VIOLATIONS, pooler=settings.database_pooler)
    )
    changes = await stack.enter_async_context(Changes(settings.listen_url, "booking"))
    bookings = Bookings(BookingStore(database))
    service = Service(
        booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
        booking_pb2_grpc.add_BookingServiceServicer_to_server,
        BookingServicer(bookings, Watches(bookings, changes)),
    )
    await _started(stack, world, "booking", settings, [service])
    stack.push_async_callback(changes.stop)


async def _serve_sessions(stack: contextlib.AsyncExitStack, world: World, changes: dict[str, Any]) -> None:
    settings = SessionSettings(_env_file=None, **{"port": 0, **world.database("session_svc"), **world.auth, **changes})
    database = world.databases["session"] = await stack.enter_async_context(
        Database(settings.database_url, name="session", violations=SESSION_VIOLATIONS, pooler=settings.database_pooler)
    )
    service = Service(
        session_pb2.DESCRIPTOR.services_by_name["SessionService"],
        session_pb2_grpc.add_SessionServiceServicer_to_server,
        SessionServicer(Sessions(SessionStore(database)), SessionEncoder(settings.meeting_link_template)),
    )
    await _started(stack, world, "session", settings, [service])


async def _serve_courses(stack: contextlib.AsyncExitStack, world: World, changes: dict[str, Any]) -> None:
    settings = LearningSettings(
        _env_file=None, **{"port": 0, **world.database("learning_svc"), **world.auth, **changes}
    )
    database = world.databases["learning"] = await stack.enter_async_context(
        Database(
            settings.database_url, name="learning", violations=LEARNING_VIOLATIONS, pooler=settings.database_pooler
        )
    )
    watched = await stack.enter_async_context(Changes(settings.listen_url, "enrollment"))
    service = Service(
        learning_pb2.DESCRIPTOR.services_by_name["LearningService"],
        learning_pb2_grpc.add_LearningServiceServicer_to_server,
        LearningServicer(database, settings.terms, watched),
    )
    await _started(stack, world, "learning", settings, [service])


async def _started(
    stack: contextlib.AsyncExitStack, world: World, name: str, settings: ServiceSettings, services: list[Service]
) -> None:
    server = Server(settings, world.verifier, services)
    await server.start()
    stack.push_async_callback(server.stop)
    world.ports[name] = server.port


@contextlib.asynccontextmanager
async def _http(app: Any, port: int, *, lifespan: Any) -> AsyncIterator[None]:
    """An ASGI application served in this loop."""
    config = uvicorn.Config(
        app,
        port=port,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=120,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
