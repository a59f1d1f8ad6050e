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
from payment_svc.store import Stores
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
    """payment_svc put together: its use cases, what serves them, and what runs beside."""

    engine: Engine
    purchasing: Purchasing
    cancelling: Cancelling
    webhooks: Webhooks
    inbox: Inbox
    reconcile: Reconcile
    services: list[Service]


def compose(settings: Settings, stores: Stores, stripe: StripeGateway, peers: Peers) -> App:
    """Put the service together over its ports: tables, Stripe, and the services it calls."""
    intents, giving = Intents(stripe), Refunds(stores.refunds, stripe)
    lessons = Purchase(book_and_pay_for_session(peers), intents, giving, max_attempts=settings.payment_max_attempts)
    cancels = CancelBooking(peers, stores.sagas, stores.refunds, giving)
    engine = Engine(stores.sagas, [lessons, cancels], settings.saga_lease_seconds)
    aftermath = Aftermath(stores.sagas, stores.cancellations, stores.payments, intents, giving, stripe)
    inbox = Inbox(stores.events, aftermath)
    webhooks = Webhooks(stripe, stores.events, engine, inbox, settings.payment_max_attempts)
    reconcile = Reconcile(engine, stripe, intents, stores.refunds, giving, aftermath, stores.events, webhooks)
    purchasing = Purchasing(engine, settings.cancellation_policy, uuid4)
    quotes = Quotes(settings.stripe_secret_key)
    cancelling = Cancelling(engine, stores.cancellations, stores.payments, quotes, uuid4)
    payments = Payments(stores.payments, stores.sagas)
    operators = Operators(engine, stores.events, inbox, intents)
    services = [
        Service(
            payment_pb2.DESCRIPTOR.services_by_name["PaymentService"],
            payment_pb2_grpc.add_PaymentServiceServicer_to_server,
            PaymentServicer(purchasing, cancelling, payments, webhooks),
        ),
        Service(
            saga_pb2.DESCRIPTOR.services_by_name["SagaService"],
            saga_pb2_grpc.add_SagaServiceServicer_to_server,
            SagaServicer(operators, reconcile, stripe),
        ),
    ]
    return App(engine, purchasing, cancelling, webhooks, inbox, reconcile, services)


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
        app = compose(settings, Stores.of(database, owner, settings.saga_lease_seconds), stripe, peers)
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
