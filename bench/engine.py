"""The engine alone: payment_svc put together over peers and a provider that do nothing, on a durable PostgreSQL.

    python -m bench.engine [--concurrent 8] [--seconds 10]   measure it, on a PostgreSQL of its own
    python -m bench.engine --serve URL                       be the process that is measured (bench/worker.py)

A saga here is a sold lesson, from its order to COMPLETED: five calls to peers, one PaymentIntent, one event that it was
paid. The calls return at once, so that what is left is the engine's own: Python, SQL, and the waits for PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast
from uuid import uuid4

import uvloop

from bench.worker import Loop, serve
from mesh import calls, logs
from mesh.clock import to_proto
from mesh.database import Database
from mesh.errors import Overloaded, TryAgain
from mesh.migrations import is_current, upgrade
from mesh.money import Money
from payment_svc.__main__ import App, compose
from payment_svc.domain import Intent, LessonOrder, ProviderEvent, Saga, State
from payment_svc.peers import Peers
from payment_svc.providers.port import Provider
from payment_svc.settings import Settings
from payment_svc.settling.verdicts import SUCCEEDED
from payment_svc.store import VIOLATIONS, Stores
from payment_svc.worker import run_loops
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.common.v1 import money_pb2
from tutormesh.session.v1 import session_pb2 as session

#: Connections, as many as payment_svc has. An engine beside it gets as many.
POOL = 16
PRICE = Money(5000, "USD")
HOLD = timedelta(minutes=30)
#: How often a customer asks again.
TRIES = 20
T = TypeVar("T")


class IdlePeer:
    """Answers every call that a sale makes, at once."""

    async def HoldSlot(self, request: availability.HoldSlotRequest, timeout: float) -> availability.HoldSlotResponse:
        return availability.HoldSlotResponse(
            availability_block_id=request.saga_id,
            price=money_pb2.Money(amount_minor=PRICE.amount_minor, currency=PRICE.currency),
            expires_at=to_proto(datetime.now(UTC) + HOLD),
            seconds_left=HOLD.total_seconds(),
            tutor_timezone="UTC",
        )

    async def CreateBooking(self, request: booking.CreateBookingRequest, timeout: float) -> object:
        return booking.CreateBookingResponse()

    async def ConfirmSlot(self, request: availability.ConfirmSlotRequest, timeout: float) -> object:
        return availability.ConfirmSlotResponse()

    async def CreateConfirmedSession(
        self, request: session.CreateConfirmedSessionRequest, timeout: float
    ) -> session.CreateConfirmedSessionResponse:
        return session.CreateConfirmedSessionResponse()

    async def ConfirmBooking(self, request: booking.ConfirmBookingRequest, timeout: float) -> object:
        return booking.ConfirmBookingResponse()


class IdleProvider:
    """Takes Stripe's place: it makes an intent at once, and has nothing else to tell."""

    name, intent_prefix, takes_reports = "stripe", "pi_", False

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        return _intent(saga, "requires_payment_method", 0)

    async def recent_intents(self, seconds: float, after: str) -> tuple[list[Intent], str]:
        return [], ""

    async def recent_events(self, types: frozenset[str], seconds: float, after: str) -> tuple[list[ProviderEvent], str]:
        return [], ""


def _intent(saga: Saga, status: str, received: int) -> Intent:
    return Intent(
        id=f"pi_{saga.payment_id}", status=status, client_secret=f"pi_{saga.payment_id}_secret_of_the_benchmark",
        amount=PRICE.amount_minor, currency=PRICE.currency, received=received,
        saga_id=saga.id, payment_id=saga.payment_id, failed_charge=None,
    )  # fmt: skip


class Customers:
    """Buy lessons from payment_svc's use cases, and tell it that they are paid."""

    def __init__(self, app: App) -> None:
        self._app, self._hours = app, count()
        self._first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)

    async def buy(self) -> None:
        with calls.background():
            start = self._first + timedelta(hours=next(self._hours))
            order = LessonOrder(uuid4(), uuid4(), start, minutes=60, course_id=None, purpose="", key=uuid4().hex)
            saga = await _call(lambda: self._app.purchases.lessons.book(order))
            event = _paid_event(saga)
            await _call(lambda: self._app.webhooks.take(event))
            ended = await _call(lambda: self._app.engine.wait_until(saga.id, lambda row: row.is_complete))
            if ended.state is not State.COMPLETED:
                raise RuntimeError(f"the saga ended as {ended.state}")


async def _call(call: Callable[[], Awaitable[T]]) -> T:
    """The answer. "Not now" is asked again, as apps and Stripe do: a full machine can make the pool wait for seconds."""
    for _ in range(TRIES):
        try:
            return await call()
        except (TryAgain, Overloaded):
            await asyncio.sleep(0.1)
    return await call()


def _paid_event(saga: Saga) -> ProviderEvent:
    intent = _intent(saga, "succeeded", PRICE.amount_minor)
    return ProviderEvent(
        id=f"evt_{uuid4().hex}", type=SUCCEEDED, livemode=False, intent_id=intent.id, saga_id=saga.id,
        object="payment_intent", status=intent.status, intent=intent,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def open_customers(database_url: str) -> AsyncIterator[Customers]:
    """payment_svc with all its loops, and its customers. The database is migrated when it is new."""
    if not await is_current(database_url, "payment_svc"):
        await upgrade(database_url, "payment_svc")
    settings = Settings(
        _env_file=None, auth_issuer="bench", auth_audience="bench", auth_jwks_url="http://127.0.0.1/",
        database_url=database_url, stripe_secret_key="sk_test_bench", stripe_webhook_secret="whsec_bench",  # noqa: S106 - nobody asks for them
    )  # type: ignore[call-arg]  # fmt: skip
    peer: Any = IdlePeer()
    async with Database(database_url, name="payment", violations=VIOLATIONS, pool_size=POOL) as database:
        stores = Stores.of(database, f"bench:{os.getpid()}", settings.saga_lease_seconds)
        providers = [cast("Provider", IdleProvider())]
        app = compose(settings, stores, None, providers, Peers(peer, peer, peer, peer))
        async with run_loops(
            app.engine, app.inbox, app.reconcile, app.forgetting, app.deliveries, settings.reconcile_seconds
        ):
            yield Customers(app)
        await app.engine.drain(settings.drain_seconds)


async def work(database_url: str) -> None:
    """Be one process of the engine. Its log lines are rendered as in production, and thrown away."""
    answers = sys.stdout
    with open(os.devnull, "w") as sys.stdout:  # noqa: ASYNC230, PTH123
        logs.configure("payment", "json")
        async with open_customers(database_url) as customers:
            await serve(lambda loop: _run(loop, customers), answers)


async def _run(loop: Loop, customers: Customers) -> None:
    await loop.run(customers.buy)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--serve", metavar="URL", help="be a process of the engine on this database")
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 8, 32], help="sagas at once")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each of them is measured")
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(work(chosen.serve))
        return
    from bench.engines import batches_table, measure_alone

    print(batches_table(asyncio.run(measure_alone(tuple(chosen.concurrent), chosen.seconds))))


if __name__ == "__main__":
    main()
