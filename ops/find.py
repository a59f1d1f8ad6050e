"""`tutormesh find`: the story of a purchase in one screen: its sagas, events, messages and money."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from mesh.errors import NotFound
from ops.cli import Refused, call_mesh, display, iso, one_line, print_json, table
from ops.notifications import facts as message_facts
from ops.notifications import fetch_notifications
from ops.peers import Peers
from ops.saga import TITLES, event_facts, facts, fetch_saga, fetch_sagas, short_kind
from ops.saga import row as saga_row
from tutormesh.booking.v1 import booking_pb2 as booking_pb
from tutormesh.learning.v1 import learning_pb2 as learning_pb
from tutormesh.payment.v1 import notification_pb2, payment_pb2, saga_pb2
from tutormesh.session.v1 import session_pb2 as session_pb

TIMEOUT_SECONDS = 10
#: A student can have bought much: so many sagas are read.
MOST_SAGAS = 200
MOST_MESSAGES = 100
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """One purchase. `sagas` are oldest first, the sale before its cancel and its cases."""

    sagas: Sequence[saga_pb2.GetSagaResponse]
    #: The status of the booking or enrollment, and of the session; empty when there is none.
    status: str
    session_status: str
    payment: payment_pb2.Payment | None
    messages: Sequence[notification_pb2.Notification]

    @property
    def sale(self) -> saga_pb2.Saga:
        return self.sagas[0].saga

    @property
    def sold(self) -> tuple[str, str]:
        """ "booking" or "enrollment", and its id."""
        if self.sale.booking_id:
            return "booking", self.sale.booking_id
        return "enrollment", self.sale.enrollment_id


async def fetch_story(peers: Peers, sagas: Sequence[saga_pb2.Saga]) -> Story:
    """The story of the purchase that these sagas are about."""
    ordered = sorted(sagas, key=lambda one: (one.created_at.ToNanoseconds(), one.id))
    sale = ordered[0]
    messages = await fetch_notifications(peers, about=sale.booking_id or sale.enrollment_id, most=MOST_MESSAGES)
    return Story(
        sagas=[await fetch_saga(peers, one.id) for one in ordered],
        status=await _status(peers, sale),
        session_status=await _session_status(peers, sale),
        payment=await _payment(peers, sale),
        messages=messages[::-1],
    )


async def _status(peers: Peers, sale: saga_pb2.Saga) -> str:
    with contextlib.suppress(NotFound):
        if sale.booking_id:
            with peers.calling("booking"):
                found = await peers.booking.GetBooking(
                    booking_pb.GetBookingRequest(booking_id=sale.booking_id), timeout=TIMEOUT_SECONDS
                )
            return _word(booking_pb.BookingStatus.Name(found.booking.status), "BOOKING_STATUS_")
        with peers.calling("learning"):
            record = await peers.learning.GetEnrollment(
                learning_pb.GetEnrollmentRequest(enrollment_id=sale.enrollment_id), timeout=TIMEOUT_SECONDS
            )
        return _word(learning_pb.EnrollmentStatus.Name(record.enrollment.status), "ENROLLMENT_STATUS_")
    return ""


async def _session_status(peers: Peers, sale: saga_pb2.Saga) -> str:
    if not sale.session_id:
        return ""
    with contextlib.suppress(NotFound), peers.calling("session"):
        found = await peers.session.GetSession(
            session_pb.GetSessionRequest(session_id=sale.session_id), timeout=TIMEOUT_SECONDS
        )
        return _word(session_pb.SessionStatus.Name(found.session.status), "SESSION_STATUS_")
    return ""


async def _payment(peers: Peers, sale: saga_pb2.Saga) -> payment_pb2.Payment | None:
    with contextlib.suppress(NotFound), peers.calling("payment"):
        request = payment_pb2.GetPaymentRequest(payment_id=sale.payment_id)
        return (await peers.payment.GetPayment(request, timeout=TIMEOUT_SECONDS)).payment
    return None


async def find_stories(peers: Peers, about: str) -> list[saga_pb2.Saga] | Story | None:
    """The story of the purchase to which the id leads; the sagas when it leads to several; None when to none."""
    found = await fetch_sagas(peers, about=about, most=MOST_SAGAS)
    purchases = {one.booking_id or one.enrollment_id for one in found}
    if not found:
        return None
    return await fetch_story(peers, found) if len(purchases) == 1 else found


@click.command()
@click.argument("id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def find(id: str, as_json: bool) -> None:
    """Show the story of a purchase: its sagas, events, messages and money.

    ID is of a booking, session, payment, enrollment, saga, message or student; a PaymentIntent (pi_…), charge (ch_…),
    refund (re_…) or event (evt_…) of the provider's; or the request id of an answer or a log line. An id of several
    purchases, such as a student's, lists their sagas.
    """
    found = call_mesh(lambda peers: find_stories(peers, id.strip()))
    if found is None:
        raise Refused(one_line(f"NOT_FOUND: nothing is known of {id}"))
    if isinstance(found, Story):
        print_json(story_facts(found)) if as_json else click.echo("\n".join(lines(found)))
    elif as_json:
        print_json({"sagas": [facts(one) for one in found]})
    else:
        click.echo(table(TITLES, [saga_row(facts(one)) for one in found]))
        click.echo("several purchases: `tutormesh find` shows one of them by its ID")


def story_facts(story: Story) -> Facts:
    """Everything about a purchase, for JSON."""
    what, sold_id = story.sold
    sagas = [{**facts(one.saga), "events": [event_facts(event) for event in one.events]} for one in story.sagas]
    return {
        what: {"id": sold_id, "status": story.status or None},
        "session_status": story.session_status or None,
        "payment": payment_facts(story.payment) if story.payment else None,
        "sagas": sagas,
        "messages": [message_facts(message) for message in story.messages],
    }


def payment_facts(payment: payment_pb2.Payment) -> Facts:
    """A payment with its refunds, for JSON. Amounts are in minor units of `currency`."""
    return {
        "id": payment.id,
        "intent_id": payment.stripe_payment_intent_id,
        "status": _word(payment_pb2.PaymentStatus.Name(payment.status), "PAYMENT_STATUS_"),
        "currency": payment.amount.currency,
        "amount_minor": payment.amount.amount_minor,
        "received_minor": payment.received_minor,
        "refunded_minor": payment.refunded.amount_minor,
        "refund_pending_minor": payment.refund_pending.amount_minor,
        "disputed": payment.disputed,
        "refunds": [
            {
                "id": one.id,
                "provider_refund_id": one.provider_refund_id or None,
                "amount_minor": one.amount.amount_minor,
                "status": _word(payment_pb2.RefundStatus.Name(one.status), "REFUND_STATUS_"),
                "reason": one.reason,
            }
            for one in payment.refunds
        ],
    }


def lines(story: Story) -> Iterator[str]:
    """The story for a terminal."""
    for line in (*_head(story), *_sagas(story), *_events(story), *_messages(story), *_money(story)):
        yield one_line(line).rstrip()


def _head(story: Story) -> Iterator[str]:
    what, sold_id = story.sold
    sale = story.sale
    lesson = f"{iso(sale.start_time)}, {sale.duration_minutes} min" if sale.HasField("start_time") else ""
    yield f"{what} {sold_id}  {story.status or 'was never recorded'}  {lesson}"
    if sale.session_id:
        yield f"  session {sale.session_id}  {story.session_status or 'none yet'}"
    if sale.course_id:
        yield f"  course {sale.course_id}"
    yield f"  student {sale.student_id}"
    if sale.tutor_id:
        yield f"  tutor {sale.tutor_id}"


def _sagas(story: Story) -> Iterator[str]:
    yield "sagas"
    for one in story.sagas:
        saga = facts(one.saga)
        waits = f"  wakes {saga['wake_at']}, tries {saga['attempt']}" if saga["wake_at"] else ""
        yield f"  {saga['id']}  {saga['kind']}  {saga['state']}{waits}"
        if saga["error"]:
            yield f"    {saga['error']}"


def _events(story: Story) -> Iterator[str]:
    yield "events"
    told = [(event_facts(event), short_kind(one.saga.kind)) for one in story.sagas for event in one.events]
    for event, kind in sorted(told, key=lambda item: str(item[0]["at"])):
        yield f"  {event['at']}  {kind:7}  {event['event']}  {event['detail']}"


def _messages(story: Story) -> Iterator[str]:
    yield "messages"
    if not story.messages:
        yield "  none"
    for message in map(message_facts, story.messages):
        route = f"{message['channel']} to {message['audience']}"
        yield f"  {message['created_at']}  {message['type']}  {route}  {message['status']}  {message['error'] or ''}"


def _money(story: Story) -> Iterator[str]:
    yield "money"
    payment = story.payment
    if payment is None:
        yield "  no payment"
        return
    told, currency = payment_facts(payment), payment.amount.currency
    yield f"  payment {told['id']}  {told['status']}  {told['intent_id']}{'  disputed' if told['disputed'] else ''}"
    parts = ("amount_minor", "price"), ("received_minor", "received"), ("refunded_minor", "given back")
    pending = (("refund_pending_minor", "on its way back"),) if told["refund_pending_minor"] else ()
    yield "  " + ", ".join(f"{words} {display(told[name], currency)}" for name, words in (*parts, *pending))
    for one in told["refunds"]:
        theirs = one["provider_refund_id"] or ""
        yield f"  refund {one['id']}  {one['status']}  {display(one['amount_minor'], currency)}  {one['reason']}  {theirs}"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)
