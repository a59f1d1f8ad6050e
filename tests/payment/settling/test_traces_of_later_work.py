"""What goes on later, or elsewhere, is linked to the trace in which the saga was begun, and names its ids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.people import Booked, People, lesson_time, wait_until
from tests.traced import Traced, trace_of, traced, traces_linked
from tutormesh.payment.v1 import saga_pb2

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def seen() -> Iterator[Traced]:
    with traced() as kept:
        yield kept


async def booked(people: People, seen: Traced) -> tuple[Booked, int]:
    """A lesson that waits for its payment, and the trace in which its saga was begun."""
    made = await people.booked(await people.tutor(), lesson_time())
    (began,) = seen.named("PaymentService/BookSession", saga_id=made.saga)
    return made, trace_of(began)


async def until_linked(seen: Traced, name: str, made: Booked, began: int) -> None:
    """Until a span of this name in another trace is linked to the first, and names the sale."""
    ids = {"saga_id": made.saga, "booking_id": made.booking, "payment_id": made.payment}

    async def linked() -> bool:
        return any(began in traces_linked(span) and trace_of(span) != began for span in seen.named(name, **ids))

    await wait_until(linked, bool)


async def test_a_webhook_and_the_run_that_it_lets_go_on(people: People, seen: Traced) -> None:
    made, began = await booked(people, seen)
    await people.pay(made.intent)
    await people.until_state(made.saga, "COMPLETED")
    await until_linked(seen, "PaymentService/HandleStripeWebhook", made, began)
    await until_linked(seen, "BookAndPayForSessionSaga", made, began)


async def test_reconcile_that_finds_a_payment(people: People, seen: Traced) -> None:
    await people.webhooks("drop")
    made, began = await booked(people, seen)
    await people.pay(made.intent)
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    await people.until_state(made.saga, "COMPLETED")
    await until_linked(seen, "reconcile payment", made, began)
    assert seen.named("stripe recent_intents") and seen.named("stripe recent_events")


async def test_the_inbox_that_gives_late_money_back(people: People, seen: Traced) -> None:
    made, began = await booked(people, seen)
    await people.let_the_hold_end(made.saga)
    await people.until_state(made.saga, "EXPIRED")
    metadata = {"metadata[sagaId]": made.saga, "metadata[paymentId]": made.payment}
    late = await people.create_intent(amount=5000, currency="usd", **metadata)
    await people.pay(late["id"])
    await wait_until(lambda: people.refunds_of(late["id"]), bool)
    await until_linked(seen, "inbox event", made, began)
