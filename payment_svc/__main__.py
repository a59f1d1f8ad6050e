"""The composition root of payment_svc: real things are named here and nowhere else."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import grpc
import uvloop

from mesh import channels, logs, proxies, tracing
from mesh.database import Database
from mesh.database_watch import Watch
from mesh.identity import CredentialSource, KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.server import Server, Service, serve
from mesh.settings import load, read_environment
from payment_svc.auditing import Auditing
from payment_svc.backlog import Backlog
from payment_svc.cancelling.cancel import Cancelling
from payment_svc.cancelling.cancel_booking import CANCEL_BOOKING
from payment_svc.cancelling.cancel_enrollment import CANCEL_ENROLLMENT
from payment_svc.cancelling.quotes import Quotes
from payment_svc.cancelling.take_back import TakeBack
from payment_svc.domain import STRIPE
from payment_svc.domain.owed import COURSE_TERMS
from payment_svc.engine.definition import Kind
from payment_svc.engine.engine import Engine
from payment_svc.forgetting import Forgetting
from payment_svc.links.addresses import Links
from payment_svc.notifications.delivering import Deliveries, routes_of
from payment_svc.notifications.email import Email, parse_mail_server
from payment_svc.notifications.notifier import Notifier
from payment_svc.notifications.webhook import Webhook
from payment_svc.operators import Operators
from payment_svc.operators_servicer import NotificationServicer, SagaServicer
from payment_svc.pages.checkout import Checkouts
from payment_svc.pages.managing import Managing
from payment_svc.pages.purchases import LinkedPurchases
from payment_svc.pages.surroundings import SurroundingsReader
from payment_svc.payments import Payments
from payment_svc.peers import Peers
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import Provider
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Providers, list_providers
from payment_svc.providers.sessions import AskedEngine, PaymentSessions
from payment_svc.providers.stripe import StripeProvider
from payment_svc.selling.book_and_pay import BOOK_AND_PAY
from payment_svc.selling.enroll_in_course import ENROLL_IN_COURSE, verify_course
from payment_svc.selling.ordering import Ordering
from payment_svc.selling.orders import CourseOrders, LessonOrders
from payment_svc.selling.payment import PaymentPorts
from payment_svc.selling.purchase import Purchase
from payment_svc.servicer import LinkServicer, PaymentServicer, Purchases
from payment_svc.settings import Settings, read_asked_engines
from payment_svc.settling.callbacks import Callbacks
from payment_svc.settling.inbox import Inbox
from payment_svc.settling.late_payments import LatePayments
from payment_svc.settling.reconcile import Reconcile
from payment_svc.settling.refreshing import Refreshing
from payment_svc.settling.refund_case import RefundCase
from payment_svc.settling.webhooks import Webhooks
from payment_svc.store import VIOLATIONS, Stores
from payment_svc.store.backlog import BacklogStore
from payment_svc.worker import run_loops
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1 import (
    link_pb2,
    link_pb2_grpc,
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
    """payment_svc put together: its use cases, the services that serve them, and what its loops run."""

    engine: Engine
    purchases: Purchases
    webhooks: Webhooks
    callbacks: Callbacks
    inbox: Inbox
    reconcile: Reconcile
    forgetting: Forgetting
    deliveries: Deliveries
    services: list[Service]


def compose(
    settings: Settings,
    stores: Stores,
    stripe: StripeProvider | None,
    all_providers: Sequence[Provider],
    peers: Peers,
    notifiers: Sequence[Notifier] = (),
) -> App:
    """Put the service together over its ports: tables, payment providers, peers, and channels to people."""
    providers = Providers(all_providers)
    intents, refunds = Intents(providers), Refunds(stores.refunds, providers)
    ports = PaymentPorts(providers, intents, refunds)
    late_payments = LatePayments(
        stores.sagas, stores.cancellations, stores.payments, intents, refunds, providers, stores.operators
    )
    kinds = list_kinds(settings, stores, ports, peers, late_payments)
    engine = Engine(stores.sagas, kinds, settings.saga_lease_seconds)
    inbox = Inbox(stores.events, late_payments)
    webhooks = Webhooks(stripe, stores.events, engine, inbox, settings.payment_max_attempts)
    reconcile = Reconcile(engine, stores, providers, refunds, late_payments, webhooks)
    callbacks = Callbacks(engine, stores.sagas, providers, webhooks, settings.engines)
    purchases, links = _serve_purchases(settings, stores, engine, peers), settings.links
    payments = Payments(stores.payments, stores.sagas, settings.payment_max_attempts)
    operators = Operators(engine, stores, inbox, intents, providers)
    deliveries = Deliveries(stores.notifications, notifiers, settings.notify_give_up_hours * 3600)
    forgetting = Forgetting(stores.keys, stores.refused, settings.forget_refused_hours * 3600)
    refreshing = Refreshing(stores.sagas, callbacks)
    services = _list_services(
        PaymentServicer(purchases, payments, webhooks, callbacks, refreshing, links),
        _serve_links(links, stores, purchases, refreshing, peers, settings.payment_max_attempts),
        SagaServicer(operators, reconcile, Auditing(stores.audit, providers)),
        NotificationServicer(deliveries),
    )
    return App(engine, purchases, webhooks, callbacks, inbox, reconcile, forgetting, deliveries, services)


def _serve_purchases(settings: Settings, stores: Stores, engine: Engine, peers: Peers) -> Purchases:
    """How lessons and seats are ordered and cancelled."""
    ordering = Ordering(engine, stores.sagas, stores.keys, uuid4)
    quotes = Quotes(settings.quote_key)
    cancel_lessons = Cancelling(engine, stores.sagas, stores.cancellations, stores.payments, quotes, uuid4)
    engines, returns = settings.engines, settings.returns
    return Purchases(
        LessonOrders(ordering, settings.cancellation_policy, partial(verify_course, peers), engines, returns),
        CourseOrders(ordering, settings.enrollment_policy, engines, returns),
        cancel_lessons,
        replace(cancel_lessons, definition=CANCEL_ENROLLMENT, terms=COURSE_TERMS),
    )


def _serve_links(
    links: Links, stores: Stores, purchases: Purchases, refreshing: Refreshing, peers: Peers, max_attempts: int
) -> LinkServicer:
    """What whoever has a link sees and does."""
    linked, around = LinkedPurchases(links, stores.sagas), SurroundingsReader(peers)
    payments, cancellations = stores.payments, stores.cancellations
    return LinkServicer(
        Checkouts(linked, payments, cancellations, refreshing, around, max_attempts),
        Managing(linked, payments, cancellations, around, purchases.cancel_lessons, purchases.cancel_courses),
    )


def list_kinds(
    settings: Settings, stores: Stores, ports: PaymentPorts, peers: Peers, late_payments: LatePayments
) -> list[Kind]:
    """Every kind of saga that the engine runs. A new kind is one line here."""
    attempts, refunds = settings.payment_max_attempts, ports.refunds
    return [
        Purchase(BOOK_AND_PAY, peers, ports, max_attempts=attempts),
        Purchase(ENROLL_IN_COURSE, peers, ports, max_attempts=attempts),
        TakeBack(CANCEL_BOOKING, peers, stores.sagas, stores.refunds, refunds),
        TakeBack(CANCEL_ENROLLMENT, peers, stores.sagas, stores.refunds, refunds),
        RefundCase(stores.sagas, late_payments),
    ]


def _list_services(
    payments: PaymentServicer, links: LinkServicer, sagas: SagaServicer, notifications: NotificationServicer
) -> list[Service]:
    """The services of this process, as its server takes them."""
    return [
        Service(
            payment_pb2.DESCRIPTOR.services_by_name["PaymentService"],
            payment_pb2_grpc.add_PaymentServiceServicer_to_server,
            payments,
        ),
        Service(
            link_pb2.DESCRIPTOR.services_by_name["LinkService"],
            link_pb2_grpc.add_LinkServiceServicer_to_server,
            links,
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


def open_channels(settings: Settings, credentials: CredentialSource) -> tuple[Peers, list[grpc.aio.Channel]]:
    """The stubs of the peers, and the channels to close in the end."""
    opened = [
        channels.connect(address, credentials, service, connections=settings.peer_connections)
        for service, address in (
            ("availability", settings.availability_address),
            ("booking", settings.booking_address),
            ("session", settings.session_address),
            ("learning", settings.learning_address),
        )
    ]
    stubs = Peers(
        AvailabilityServiceStub(opened[0]),
        BookingServiceStub(opened[1]),
        SessionServiceStub(opened[2]),
        LearningServiceStub(opened[3]),
    )
    return stubs, opened


def open_notifiers(settings: Settings) -> list[Notifier]:
    """The channels to people that the settings ask for: none, one or both. Settings has checked that each is whole."""
    found: list[Notifier] = []
    manage_url = settings.links.manage_url_of
    if settings.notify_webhook_url and settings.notify_webhook_secret:
        secret = settings.notify_webhook_secret
        found.append(Webhook(settings.notify_webhook_url, secret, settings.notify_timeout_seconds, manage_url))
    if settings.smtp_url and settings.notify_email_from and settings.notify_email_to:
        sender, to = settings.notify_email_from, settings.notify_email_to
        server, timeout = parse_mail_server(settings.smtp_url), settings.smtp_timeout_seconds
        found.append(Email(server, sender, to, timeout, manage_url))
    return found


def open_stripe(settings: Settings) -> StripeProvider | None:
    """Stripe, where PAYMENT_ENGINES lists it. Settings has checked that its secrets are there."""
    if STRIPE not in settings.engines.names or not settings.stripe_secret_key or not settings.stripe_webhook_secret:
        return None
    if (stand_in := settings.own_stripe_host) is not None:
        proxies.bypass(stand_in)
    return StripeProvider(
        settings.stripe_secret_key,
        settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
        timeout=settings.stripe_timeout_seconds,
    )


def _load_asked_engines(settings: Settings) -> dict[str, AskedEngine]:
    """The providers to ask for sessions. Ends the process, with a line that names it, when a setting cannot be used."""
    try:
        _ = settings.engines, settings.quote_key, settings.links
        return read_asked_engines(settings, read_environment())
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


async def main() -> None:
    settings = load(Settings)
    logs.configure("payment", settings.log_format)
    tracing.configure("payment", read_environment())
    asked = _load_asked_engines(settings)
    stripe, sessions = open_stripe(settings), PaymentSessions(asked, settings.payment_engine_timeout_seconds)
    peers, opened = open_channels(settings, settings.credentials())
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    async with Database(
        settings.database_url, name="payment", violations=VIOLATIONS, pooler=settings.database_pooler, pool_size=16
    ) as database:
        notifiers = open_notifiers(settings)
        stores = Stores.of(database, owner, settings.saga_lease_seconds, routes_of(notifiers))
        app = compose(settings, stores, stripe, list_providers(stripe, database, sessions), peers, notifiers)
        verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
        server = Server(settings, verifier, app.services)
        loops = run_loops(
            app.engine, app.inbox, app.reconcile, app.forgetting, app.deliveries, settings.reconcile_seconds
        )
        backlog = Backlog(BacklogStore(database))
        async with serving(settings, "payment", database, backlog.refresh):
            async with loops:
                await serve(server, watch=Watch(database).run)
            await app.engine.drain(settings.drain_seconds)
            await app.deliveries.close()
    for channel in opened:
        await channel.close()
    await sessions.close()
    if stripe is not None:
        await stripe.close()


if __name__ == "__main__":
    uvloop.run(main())
