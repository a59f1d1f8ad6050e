"""The composition root of payment_svc."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from uuid import uuid4

import grpc

from mesh import channels, logs
from mesh.database import Database
from mesh.identity import CredentialSource, KeySet, ServiceTokenFile, Verifier
from mesh.server import Server, Service, serve
from mesh.settings import load
from payment_svc.aftermath import Aftermath
from payment_svc.booking import Purchasing
from payment_svc.cancelling import Cancelling
from payment_svc.inbox import Inbox
from payment_svc.operators import Operators
from payment_svc.payments import Payments
from payment_svc.quotes import Quotes
from payment_svc.reconcile import Reconcile
from payment_svc.sagas.book_and_pay import Peers, book_and_pay_for_session
from payment_svc.sagas.cancel_booking import CancelBooking
from payment_svc.sagas.engine import Engine
from payment_svc.sagas.intents import Intents
from payment_svc.sagas.phases import Purchase
from payment_svc.sagas.refunds import Refunds
from payment_svc.servicer import PaymentServicer, SagaServicer
from payment_svc.settings import Settings
from payment_svc.store import CancellationStore, EventStore, PaymentStore, RefundStore, SagaStore
from payment_svc.stripe_gateway import StripeGateway
from payment_svc.tables import VIOLATIONS
from payment_svc.webhooks import Webhooks
from payment_svc.worker import running
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.payment.v1 import payment_pb2, payment_pb2_grpc, saga_pb2, saga_pb2_grpc
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub


@dataclass(frozen=True, slots=True)
class App:
    """payment_svc put together: what serves and what runs beside it."""

    engine: Engine
    inbox: Inbox
    reconcile: Reconcile
    webhooks: Webhooks
    quotes: Quotes
    services: list[Service]


def compose(settings: Settings, database: Database, stripe: StripeGateway, peers: Peers, owner: str) -> App:
    """Put the service together. `owner` names this replica in its leases."""
    sagas = SagaStore(database, owner, settings.saga_lease_seconds)
    payments, refunds = PaymentStore(database), RefundStore(database)
    events = EventStore(database, sagas)
    intents, giving = Intents(stripe), Refunds(refunds, stripe)
    cancellations = CancellationStore(database, owner, settings.saga_lease_seconds)
    lessons = Purchase(book_and_pay_for_session(peers), intents, giving, max_attempts=settings.payment_max_attempts)
    cancels = CancelBooking(peers, sagas, refunds, giving)
    engine = Engine(sagas, [lessons, cancels], settings.saga_lease_seconds)
    aftermath = Aftermath(sagas, cancellations, payments, intents, giving, stripe)
    inbox = Inbox(events, aftermath)
    reconcile = Reconcile(engine, stripe, intents, refunds, giving, aftermath)
    webhooks = Webhooks(stripe, events, engine, inbox, settings.payment_max_attempts)
    purchasing = Purchasing(engine, settings.cancellation_policy, uuid4)
    quotes = Quotes(settings.stripe_secret_key)
    cancelling = Cancelling(engine, cancellations, payments, quotes, uuid4)
    services = [
        Service(
            payment_pb2.DESCRIPTOR.services_by_name["PaymentService"],
            payment_pb2_grpc.add_PaymentServiceServicer_to_server,
            PaymentServicer(purchasing, cancelling, Payments(payments, sagas), webhooks),
        ),
        Service(
            saga_pb2.DESCRIPTOR.services_by_name["SagaService"],
            saga_pb2_grpc.add_SagaServiceServicer_to_server,
            SagaServicer(Operators(engine, events, inbox, intents), reconcile, stripe),
        ),
    ]
    return App(engine, inbox, reconcile, webhooks, quotes, services)


def connected(settings: Settings, credentials: CredentialSource) -> tuple[Peers, list[grpc.aio.Channel]]:
    """The peers' stubs, and the channels to close in the end."""
    opened = [
        channels.connect(address, credentials)
        for address in (settings.availability_address, settings.booking_address, settings.session_address)
    ]
    return Peers(
        AvailabilityServiceStub(opened[0]), BookingServiceStub(opened[1]), SessionServiceStub(opened[2])
    ), opened


async def main() -> None:
    settings = load(Settings)
    logs.configure("payment", settings.log_format)
    stripe = StripeGateway(
        settings.stripe_secret_key,
        settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
        timeout=settings.stripe_timeout_seconds,
    )
    peers, opened = connected(settings, ServiceTokenFile(settings.token_file()))
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    async with Database(settings.database_url, name="payment", violations=VIOLATIONS, pool_size=16) as database:
        app = compose(settings, database, stripe, peers, owner)
        verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
        server = Server(settings, verifier, app.services)
        async with running(app.engine, app.inbox, app.reconcile, settings.reconcile_seconds):
            await serve(server)
        await app.engine.drain(settings.drain_seconds)
    for channel in opened:
        await channel.close()
    await stripe.close()


if __name__ == "__main__":
    asyncio.run(main())
