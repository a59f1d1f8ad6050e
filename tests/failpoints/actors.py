"""Who acts in a case: one payment_svc at a time, of the parts of production, and what all of them share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

from mesh.database import Database
from payment_svc.__main__ import App, open_channels
from payment_svc.domain import BOOK, ENROLL
from payment_svc.domain.messages import Audience, DeliveryRoute
from payment_svc.peers import Peers
from payment_svc.providers.sessions import AskedEngine, PaymentSessions
from payment_svc.providers.stripe import StripeProvider
from payment_svc.selling.purchase import Purchase
from payment_svc.settings import Settings
from payment_svc.store import VIOLATIONS
from tests.fake_engine import FakeEngine, fake_engine
from tests.world import WEBHOOK_SECRET, World

LEASE_SECONDS = 0.2
ROUTES = (DeliveryRoute("webhook", Audience.EVERYBODY),)


@dataclass
class Seat:
    """The connections of one payment_svc at a time, known to PostgreSQL by their name."""

    name: str
    database: Database
    is_cut: bool = False


class Seats:
    """Connections that actors leave to the next: a fresh one costs PostgreSQL more than a case."""

    def __init__(self, url: str) -> None:
        self._url, self._free = url, list[Seat]()

    def take(self) -> Seat:
        if self._free:
            return self._free.pop()
        name = f"seat-{uuid4().hex[:8]}"
        return Seat(name, Database(self._url, name=name, violations=VIOLATIONS, pool_size=3))

    async def leave(self, seat: Seat) -> None:
        """What was sent to PostgreSQL ends; connections that were cut are for nobody else."""
        if seat.is_cut:
            await seat.database.close()
            return
        while seat.database._under_way:
            await asyncio.wait(seat.database._under_way)
        self._free.append(seat)

    async def close(self) -> None:
        for seat in self._free:
            await seat.database.close()


@dataclass
class Actor:
    """One payment_svc: the same parts as in production, over watched ports."""

    app: App
    seat: Seat
    seats: Seats
    is_dead: bool = False

    async def recover(self) -> None:
        """One round of its loops."""
        await self.app.engine.recover_once()
        await self.app.inbox.run_once()

    async def rest(self) -> None:
        """Until what it drives has come to rest."""
        while self.app.engine._runs:
            await asyncio.wait(list(self.app.engine._runs.values()))
        await self.app.inbox.drain()

    async def die(self) -> None:
        """Nothing of it goes on, and its seat is free. The dead die no more."""
        if self.is_dead:
            return
        self.is_dead = True
        tasks = [*self.app.engine._tasks, *self.app.inbox._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.seats.leave(self.seat)


@dataclass(frozen=True)
class Outside:
    """What every actor of every case shares, as making it costs more than a case: settings, connections to the outside."""

    settings: Settings
    stripe: StripeProvider
    sessions: PaymentSessions
    asked: FakeEngine
    peers: Peers
    seats: Seats


@contextlib.asynccontextmanager
async def outside(world: World) -> AsyncIterator[Outside]:
    settings = world.payment_settings(saga_lease_seconds=LEASE_SECONDS, payment_engines="stripe,callback,asked")
    stripe = StripeProvider(settings.stripe_secret_key, WEBHOOK_SECRET, api_base=settings.stripe_api_base, timeout=5)
    peers, opened = open_channels(settings, world.credentials("payment"))
    seats = Seats(settings.database_url)
    async with fake_engine() as asked:
        sessions = PaymentSessions({"asked": AskedEngine(asked.url, asked.secret)}, 5)
        yield Outside(settings, stripe, sessions, asked, peers, seats)
        await sessions.close()
    await seats.close()
    for channel in opened:
        await channel.close()
    await stripe.close()


def with_version(app: App, version: int) -> App:
    """The same app with a newer definition beside the old one."""
    for kind in (BOOK, ENROLL):
        old = app.engine.kinds[kind, 1]
        assert isinstance(old, Purchase)
        app.engine.kinds[kind, version] = old.with_version(version)
    lessons, courses = replace(app.purchases.lessons, version=version), replace(app.purchases.courses, version=version)
    return replace(app, purchases=replace(app.purchases, lessons=lessons, courses=courses))
