"""The composition root of payment_svc."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import grpc

from mesh import channels, logs
from mesh.database import Database
from mesh.identity import CredentialSource, KeySet, ServiceTokenFile, Verifier
from mesh.server import Server, Service, serve
from mesh.settings import load
from payment_svc.cancelling.cancel import Cancelling
from payment_svc.cancelling.cancel_booking import cancel_booking
from payment_svc.cancelling.cancel_enrollment import cancel_enrollment
from payment_svc.cancelling.quotes import Quotes
from payment_svc.cancelling.take_back import TakingBack
from payment_svc.cancelling.terms import COURSE
from payment_svc.engine.engine import Engine
from payment_svc.notifications.channels import channels_of
from payment_svc.notifications.delivering import Deliveries, lanes_of
from payment_svc.notifications.notifier import Notifier
from payment_svc.operators import Operators
from payment_svc.payments import Payments
from payment_svc.peers import Peers
from payment_svc.providers.callback import CallbackGateway
from payment_svc.providers.intents import Intents
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Engines
from payment_svc.providers.stripe import StripeGateway
from payment_svc.selling.book_and_pay import book_and_pay_for_session
from payment_svc.selling.booking import Purchasing
from payment_svc.selling.definition import Kind
from payment_svc.selling.enroll_in_course import enroll_in_course, verify_course
from payment_svc.selling.enrolling import Enrolling
from payment_svc.selling.ordering import Wishes
from payment_svc.selling.purchase import Purchase
from payment_svc.servicer import NotificationServicer, PaymentServicer, Purchases, SagaServicer
from payment_svc.settings import Settings
from payment_svc.settling.callbacks import Callbacks
from payment_svc.settling.inbox import Inbox
from payment_svc.settling.late_payments import Aftermath
from payment_svc.settling.reconcile import Reconcile
from payment_svc.settling.webhooks import Webhooks
from payment_svc.store import KeyStore, Stores
from payment_svc.tables import VIOLATIONS
from payment_svc.worker import running
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1 import (
    notification_pb2,
    notification_pb2_grpc,
    payment_pb2,
    payment_pb2_grpc,
    saga_pb2,
    saga_pb2_grpc,
)
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub


@dataclass(frozen=True, slots=True)
class App:
    """payment_svc put together: its use cases, what serves them, and what runs beside."""

    engine: Engine
    purchasing: Purchasing
    enrolling: Enrolling
    cancelling: Cancelling
    unenrolling: Cancelling
    webhooks: Webhooks
    callbacks: Callbacks
    inbox: Inbox
    reconcile: Reconcile
    keys: KeyStore
    deliveries: Deliveries
    services: list[Service]


def compose(
    settings: Settings, stores: Stores, stripe: StripeGateway, peers: Peers, notifiers: Sequence[Notifier] = ()
) -> App:
    """Put the service together over its ports: tables, Stripe, the services it calls, the channels people are told by."""
    engines = Engines(stripe, CallbackGateway(stores.callbacks))
    intents, giving = Intents(engines), Refunds(stores.refunds, engines)
    engine = Engine(stores.sagas, kinds(settings, stores, intents, giving, peers), settings.saga_lease_seconds)
    aftermath = Aftermath(
        stores.sagas, stores.cancellations, stores.payments, intents, giving, engines, stores.operators
    )
    inbox = Inbox(stores.events, aftermath)
    webhooks = Webhooks(stripe, stores.events, engine, inbox, settings.payment_max_attempts)
    reconcile = Reconcile(
        engine, engines, intents, stores.refunds, giving, aftermath, stores.events, webhooks, stores.operators
    )
    callbacks = Callbacks(engine, stores.callbacks, intents, webhooks)
    wishes = Wishes(engine, stores.keys, uuid4)
    purchasing = Purchasing(wishes, settings.cancellation_policy, partial(verify_course, peers))
    enrolling = Enrolling(wishes, settings.enrollment_policy)
    quotes = Quotes(settings.stripe_secret_key)
    cancelling = Cancelling(engine, stores.cancellations, stores.payments, quotes, uuid4)
    unenrolling = replace(cancelling, terms=COURSE)
    payments = Payments(stores.payments, stores.sagas)
    operators = Operators(engine, stores.operators, stores.events, inbox, intents)
    deliveries = Deliveries(stores.notifications, notifiers, settings.notify_give_up_hours * 3600)
    purchases = Purchases(purchasing, enrolling, cancelling, unenrolling)
    services = _served(
        PaymentServicer(purchases, payments, webhooks, callbacks),
        SagaServicer(operators, reconcile, engines),
        NotificationServicer(deliveries),
    )
    return App(
        engine,
        purchasing,
        enrolling,
        cancelling,
        unenrolling,
        webhooks,
        callbacks,
        inbox,
        reconcile,
        stores.keys,
        deliveries,
        services,
    )


def _served(payments: PaymentServicer, sagas: SagaServicer, notifications: NotificationServicer) -> list[Service]:
    """The services of this process, as its server takes them."""
    return [
        Service(
            payment_pb2.DESCRIPTOR.services_by_name["PaymentService"],
            payment_pb2_grpc.add_PaymentServiceServicer_to_server,
            payments,
        ),
        Service(
            saga_pb2.DESCRIPTOR.services_by_name["SagaService"],
            saga_pb2_grpc.add_SagaServiceServicer_to_server,
            sagas,
        ),
        Service(
            notification_pb2.DESCRIPTOR.services_by_name["NotificationService"],
            notification_pb2_grpc.add_NotificationServiceServicer_to_server,
            notifications,
        ),
    ]


def kinds(settings: Settings, stores: Stores, intents: Intents, giving: Refunds, peers: Peers) -> list[Kind]:
    """Every kind of saga there is."""
    sold = (book_and_pay_for_session(peers), enroll_in_course(peers))
    taken_back = (cancel_booking(peers), cancel_enrollment(peers))
    return [
        *(Purchase(each, intents, giving, max_attempts=settings.payment_max_attempts) for each in sold),
        *(TakingBack(each, stores.sagas, stores.refunds, giving) for each in taken_back),
    ]


def connected(settings: Settings, credentials: CredentialSource) -> tuple[Peers, list[grpc.aio.Channel]]:
    """The peers' stubs, and the channels to close in the end."""
    opened = [
        channels.connect(address, credentials)
        for address in (
            settings.availability_address,
            settings.booking_address,
            settings.session_address,
            settings.learning_address,
        )
    ]
    stubs = Peers(
        AvailabilityServiceStub(opened[0]),
        BookingServiceStub(opened[1]),
        SessionServiceStub(opened[2]),
        LearningServiceStub(opened[3]),
    )
    return stubs, opened


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
        notifiers = channels_of(settings)
        stores = Stores.of(database, owner, settings.saga_lease_seconds, lanes_of(notifiers))
        app = compose(settings, stores, stripe, peers, notifiers)
        verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
        server = Server(settings, verifier, app.services)
        async with running(app.engine, app.inbox, app.reconcile, app.keys, app.deliveries, settings.reconcile_seconds):
            await serve(server)
        await app.engine.drain(settings.drain_seconds)
        await app.deliveries.close()
    for channel in opened:
        await channel.close()
    await stripe.close()


if __name__ == "__main__":
    asyncio.run(main())
