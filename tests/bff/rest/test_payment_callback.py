"""/payment-callback: reports of a provider that calls us back, and reports about Stripe, which decide nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from mesh.database import Database
from mesh.money import Money
from payment_svc.domain import ENROLL, CourseOrder, EnrollmentFacts, Refund, RefundStatus, Saga
from payment_svc.providers.callback import INTENT_PREFIX, CallbackProvider
from payment_svc.providers.sessions import PaymentSessions
from payment_svc.store import VIOLATIONS, SagaStore
from tests.bff.rest.conftest import BOOKINGS, Rest, order
from tests.conftest import MakeDatabase
from tests.payment.faults import let_time_pass, put_to_sleep
from tests.people import People, lesson_time, wait_until


@dataclass(frozen=True)
class Provider:
    """A provider that calls back: a service that books for students and reports what it has collected."""

    people: People
    service: Rest
    student: Rest
    tutor: UUID

    async def book(self, hour: int = 10, **changes: Any) -> Any:
        body = order(self.student.id, self.tutor, lesson_time(3, hour), payment_engine="callback")
        return await self.service.data("POST", BOOKINGS, body | changes)

    def report_body(self, reference: str, status: str, **more: Any) -> dict[str, Any]:
        return {"payment_reference": reference, "payment_status": status, "payment_engine": "callback"} | more

    async def report_payment(self, booking: Any, reference: str, status: str, **more: Any) -> Any:
        path = f"{BOOKINGS}/{booking['uuid']}/payment-callback"
        return await self.service.data("POST", path, self.report_body(of_booking(booking, reference), status, **more))

    async def refused(self, booking: Any, reference: str, status: str, **more: Any) -> tuple[int, str]:
        path = f"{BOOKINGS}/{booking['uuid']}/payment-callback"
        return await self.service.refused(
            "POST", path, self.report_body(of_booking(booking, reference), status, **more)
        )

    async def see(self, booking: Any) -> Any:
        return await self.student.data("GET", f"{BOOKINGS}/{booking['uuid']}")

    async def wait_until(self, booking: Any, **wanted: Any) -> Any:
        """Waits until the student sees the booking with these values."""

        def is_so(seen: Any) -> bool:
            return all(seen[name] == value for name, value in wanted.items())

        return await wait_until(lambda: self.see(booking), is_so)

    async def saga(self, booking: Any) -> str:
        ask = "select id::text from saga where booking_id = $1 and kind = 'BookAndPayForSessionSaga'"
        return str((await self.people.world.sql("payment", ask, UUID(booking["uuid"])))[0]["id"])

    async def expire(self, booking: Any) -> None:
        """Until the saga has ended: the booking shows the end a moment before."""
        saga = await self.saga(booking)
        await self.people.let_the_hold_end(saga, grace_too=True)
        await self.people.until_state(saga, "EXPIRED")
        await self.wait_until(booking, status="expired")


def of_booking(booking: Any, reference: str) -> str:
    """A reference that no other booking has."""
    return f"{reference}-{booking['uuid']}"


@pytest_asyncio.fixture
async def provider(people: People, someone: Any) -> Provider:
    return Provider(people, someone("service"), someone("student"), await people.tutor())


async def test_a_report_confirms_a_booking_and_no_later_report_undoes_it(provider: Provider) -> None:
    made = await provider.book()
    assert (made["status"], made["client_secret"]) == ("payment_required", None)
    assert made["payment_session_id"].startswith("cb_")
    confirmed = await provider.report_payment(made, "ref-1", "succeeded")
    assert (confirmed["status"], confirmed["payment_session_id"]) == ("confirmed", made["payment_session_id"])
    assert await provider.report_payment(made, "ref-1", "succeeded") == confirmed
    assert await provider.report_payment(made, "ref-0", "failed") == confirmed
    assert await provider.refused(made, "ref-2", "succeeded") == (409, "WRONG_STATE")
    assert (await provider.see(made))["status"] == "confirmed"
    ask = "select count(*)::int from stripe_event where payment_intent_id = $1"
    assert (await provider.people.world.sql("payment", ask, made["payment_session_id"]))[0]["count"] == 1


async def test_one_failure_ends_the_booking_and_no_later_failure_changes_it(provider: Provider) -> None:
    made = await provider.book()
    for reference in ("a", "a", "b"):
        assert (await provider.report_payment(made, reference, "failed"))["status"] == "payment_failed"
    saga = await provider.saga(made)
    assert await provider.people.claims(saga) == []
    await provider.people.until_state(saga, "PAYMENT_FAILED")
    ask = "select status from payment where booking_id = $1"
    assert [row["status"] for row in await provider.people.world.sql("payment", ask, UUID(made["uuid"]))] == ["FAILED"]
    assert (await provider.book())["uuid"] != made["uuid"]  # the time is to be had again


async def test_a_failure_that_no_saga_heard_of_is_found_by_reconcile(provider: Provider) -> None:
    """The process dies after it stored the report and before it signals the saga."""
    made = await provider.book()
    replica = provider.people.world.replicas[0]
    assert await callback_provider(replica).record_declined(made["payment_session_id"], of_booking(made, "a"))
    await replica.app.reconcile.run_everything()
    await provider.wait_until(made, status="payment_failed")


async def test_money_after_a_failure_is_asked_back_and_revives_nothing(provider: Provider) -> None:
    """Also when it comes before the saga has heard of the failure."""
    made = await provider.book()
    callback = callback_provider(provider.people.world.replicas[0])
    await callback.record_declined(made["payment_session_id"], of_booking(made, "a"))
    success = asyncio.create_task(provider.report_payment(made, "b", "succeeded"))
    assert (await provider.report_payment(made, "a", "failed"))["status"] == "payment_failed"
    assert (await success)["status"] == "payment_failed"
    await provider.wait_until(made, status="payment_failed", refund_pending_amount="50.00")
    assert (await provider.report_payment(made, "c", "failed"))["status"] == "payment_failed"
    await provider.report_payment(made, "back", "refunded")


async def test_a_cancel_requests_a_refund_and_completes_when_the_provider_reports_it(provider: Provider) -> None:
    made = await provider.book()
    await provider.report_payment(made, "ref-1", "succeeded")
    cancelled = await provider.student.data("POST", f"{BOOKINGS}/{made['uuid']}/cancel")
    told = ("status", "refund_amount", "refunded_amount", "refund_pending_amount", "refund_state")
    assert [cancelled[name] for name in told] == ["cancelled", "50.00", "0.00", "50.00", "pending"]
    ask = "select status from refund where payment_intent_id = $1"
    rows = lambda: provider.people.world.sql("payment", ask, made["payment_session_id"])  # noqa: E731
    assert [row["status"] for row in await rows()] == ["PENDING"]
    for _ in range(2):
        await provider.report_payment(made, "back-1", "refunded")
    await wait_until(rows, lambda found: [row["status"] for row in found] == ["SUCCEEDED"])
    assert await provider.refused(made, "back-2", "refunded") == (409, "WRONG_STATE")
    seen = await provider.wait_until(made, refunded_amount="50.00", refund_state="paid")
    assert seen["refund_pending_amount"] == "0.00"


async def test_a_refund_that_was_not_requested_is_refused(provider: Provider) -> None:
    made = await provider.book()
    assert await provider.refused(made, "back", "refunded") == (409, "WRONG_STATE")


async def test_28_money_after_the_end_is_asked_back_and_the_booking_stays_ended(provider: Provider) -> None:
    made = await provider.book()
    await provider.expire(made)
    assert (await provider.report_payment(made, "failed-late", "failed"))["status"] == "expired"
    assert (await provider.report_payment(made, "late", "succeeded"))["status"] == "expired"
    seen = await provider.wait_until(made, refund_pending_amount="50.00")
    assert seen["status"] == "expired"
    assert (await provider.report_payment(made, "late", "succeeded"))["status"] == "expired"
    await provider.report_payment(made, "back", "refunded")
    await provider.people.hurry_the_inbox(await provider.saga(made))
    await provider.people.at_rest()
    assert [row["amount_minor"] for row in await provider.people.our_refunds_of(made["payment_session_id"])] == [5000]


async def test_11_paid_before_the_hold_ended_but_told_after_it_is_confirmed(provider: Provider) -> None:
    """The process dies after it stored the report and before it signals the saga. The hold's end reads the report first."""
    made = await provider.book()
    replica = provider.people.world.replicas[0]
    await callback_provider(replica).record_paid(made["payment_session_id"], of_booking(made, "ref-1"))
    await provider.people.let_the_hold_end(await provider.saga(made))
    await provider.wait_until(made, status="confirmed")


async def test_26_a_report_that_no_saga_heard_of_is_found_by_reconcile(provider: Provider) -> None:
    made, late = await provider.book(10), await provider.book(14)
    await provider.expire(late)
    callback = callback_provider(provider.people.world.replicas[0])
    await callback.record_paid(made["payment_session_id"], of_booking(made, "ref-1"))
    await callback.record_paid(late["payment_session_id"], of_booking(late, "ref-2"))
    await provider.people.world.replicas[0].app.reconcile.run_everything()
    await provider.wait_until(made, status="confirmed")
    await provider.wait_until(late, status="expired", refund_pending_amount="50.00")
    await provider.report_payment(late, "back", "refunded")


async def test_a_success_after_the_call_off_waits_for_the_end_of_its_saga(provider: Provider) -> None:
    made = await provider.book()
    callback = callback_provider(provider.people.world.replicas[0])
    await callback.cancel_intent(made["payment_session_id"])
    # No saga has ended yet that could refund it.
    assert await callback.record_paid(made["payment_session_id"], of_booking(made, "early")) is None
    await provider.student.data("POST", f"{BOOKINGS}/{made['uuid']}/cancel")
    assert (await provider.report_payment(made, "late", "succeeded"))["status"] == "cancelled"
    await provider.wait_until(made, refund_pending_amount="50.00")
    await provider.report_payment(made, "back", "refunded")


async def test_a_cancel_that_was_parked_for_its_refund_ends_when_the_refund_is_reported(provider: Provider) -> None:
    made = await provider.book()
    await provider.report_payment(made, "paid", "succeeded")
    await provider.wait_until(made, status="confirmed")
    await provider.student.data("POST", f"{BOOKINGS}/{made['uuid']}/cancel")
    ask = "select id::text from saga where booking_id = $1 and kind = 'CancelBookingSaga'"
    cancel = (await provider.people.world.sql("payment", ask, UUID(made["uuid"])))[0]["id"]
    await put_to_sleep(provider.people, cancel)
    await let_time_pass(provider.people, cancel, hours=25)
    await provider.people.until_state(cancel, "PARKED")
    await provider.report_payment(made, "back", "refunded")
    await provider.people.until_state(cancel, "REFUNDED")


def callback_provider(replica: Any) -> Any:
    """The provider that calls back, as a replica knows it."""
    return replica.app.callbacks.providers.of_intent(INTENT_PREFIX)


async def resolved_unpaid(provider: Provider, state: str) -> Any:
    """A booking whose saga a person resolved before any money came."""
    made = await provider.book()
    saga = await provider.saga(made)
    park = """update saga set state = 'PARKED', wake_at = null, lease_owner = null, lease_until = null, fence = fence + 1,
        error = '{"reason": "TRY_AGAIN"}', context = context || '{"parked_from": "AWAITING_PAYMENT"}' where id = $1"""
    await provider.people.world.sql("payment", park, UUID(saga))
    await provider.people.resolve(saga, state)
    return made


@pytest.mark.parametrize("state", ["EXPIRED", "REFUNDED"])
async def test_money_that_arrives_after_a_person_resolved_the_saga_is_refunded(provider: Provider, state: str) -> None:
    made = await resolved_unpaid(provider, state)
    await provider.report_payment(made, "late", "succeeded")
    intent = made["payment_session_id"]
    refunds = await wait_until(lambda: provider.people.our_refunds_of(intent), bool)
    assert [refund["amount_minor"] for refund in refunds] == [5000]
    await provider.report_payment(made, "back", "refunded")
    paid_back = await wait_until(
        lambda: provider.people.our_refunds_of(intent), lambda rows: rows[0]["status"] == "SUCCEEDED"
    )
    assert len(paid_back) == 1


async def test_money_that_arrives_for_a_saga_resolved_as_done_needs_a_person(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await resolved_unpaid(provider, "COMPLETED")
    await provider.report_payment(made, "late", "succeeded")
    said = list[str]()

    async def so_far() -> str:
        said.append(capsys.readouterr().out)
        return "".join(said)

    await wait_until(so_far, lambda words: "money_after_resolve" in words and "alert=true" in words)
    assert await provider.people.our_refunds_of(made["payment_session_id"]) == []


async def test_the_provider_is_chosen_once(provider: Provider) -> None:
    made = await provider.book()
    assert await provider.refused(made, "ref", "succeeded", payment_engine="stripe") == (409, "ENGINE_MISMATCH")
    assert (await provider.student.book(provider.tutor, lesson_time(3)))["uuid"] == made["uuid"]
    stripe = order(provider.student.id, provider.tutor, lesson_time(3), payment_engine="stripe")
    assert await provider.student.refused("POST", BOOKINGS, stripe) == (409, "ENGINE_MISMATCH")
    keyed = {"headers": {"Idempotency-Key": "k"}}
    body = order(provider.student.id, provider.tutor, lesson_time(4), payment_engine="callback")
    first = await provider.service.data("POST", BOOKINGS, body, **keyed)
    other = await provider.service.refused("POST", BOOKINGS, body | {"payment_engine": "stripe"}, **keyed)
    assert other == (409, "IDEMPOTENCY_MISMATCH")
    assert await provider.service.data("POST", BOOKINGS, body, **keyed) == first


async def test_only_a_service_chooses_the_callback_provider(provider: Provider) -> None:
    body = order(provider.student.id, provider.tutor, lesson_time(3), payment_engine="callback")
    assert await provider.student.refused("POST", BOOKINGS, body) == (403, "FORBIDDEN")
    body["payment_engine"] = "barter"
    assert await provider.student.refused_field("POST", BOOKINGS, body) == "payment_engine"


async def test_a_price_that_a_service_set_is_collected_in_full(provider: Provider) -> None:
    made = await provider.book(price_amount="7.25", currency="EUR")
    live = {"bookingId": made["uuid"], "amount": "7.25", "currency": "EUR"}
    payment = await provider.service.data("POST", "/payment/create-intent", live)
    assert (payment["payment_session_id"], payment["client_secret"]) == (made["payment_session_id"], None)
    assert (await provider.report_payment(made, "ref", "succeeded"))["status"] == "confirmed"
    rows = await provider.people.world.sql(
        "payment", "select received_minor, currency from payment where booking_id = $1", UUID(made["uuid"])
    )
    assert [tuple(row) for row in rows] == [(725, "EUR")]


async def test_a_price_that_a_service_names_must_be_one_that_can_be_charged(provider: Provider) -> None:
    body = order(provider.student.id, provider.tutor, lesson_time(3))
    for amount, currency in (("0.49", "USD"), ("1.255", "KWD"), ("1000000", "UGX"), ("5", "IQD"), ("1e12", "IDR")):
        asked = body | {"price_amount": amount, "currency": currency}
        assert await provider.service.refused_field("POST", BOOKINGS, asked) == "price_amount"
    assert await provider.service.refused("POST", BOOKINGS, body | {"price_amount": "0.49"}) == (409, "AMOUNT_MISMATCH")
    made = await provider.service.data("POST", BOOKINGS, body | {"price_amount": "50000", "currency": "UGX"})
    assert (made["price_amount"], made["currency"]) == ("50000", "UGX")


async def test_a_free_or_unknown_booking_takes_no_report(provider: Provider) -> None:
    free = await provider.book(price_amount="0")
    assert free["status"] == "confirmed"
    assert await provider.refused(free, "ref", "succeeded") == (409, "WRONG_STATE")
    nowhere = {"uuid": str(provider.tutor)}
    assert await provider.refused(nowhere, "ref", "succeeded") == (404, "NOT_FOUND")


async def test_a_report_about_stripe_changes_nothing_by_itself(provider: Provider) -> None:
    people, stripe = provider.people, {"payment_engine": "stripe"}
    await people.webhooks("drop")
    made = await provider.student.book(provider.tutor, lesson_time(5))
    assert (await provider.report_payment(made, "me", "succeeded", **stripe))["status"] == "payment_required"
    assert (await provider.report_payment(made, "me", "failed", **stripe))["status"] == "payment_required"
    await people.pay(made["payment_session_id"])
    assert (await provider.report_payment(made, "me", "failed", **stripe))["status"] == "confirmed"
    assert (await provider.report_payment(made, "me", "failed", **stripe))["status"] == "confirmed"


async def test_a_report_while_stripe_is_away_is_503(provider: Provider) -> None:
    made = await provider.student.book(provider.tutor, lesson_time(6))
    await provider.people.fault(f"/v1/payment_intents/{made['payment_session_id']}", "error_before", 5, method="GET")
    refused = await provider.refused(made, "me", "succeeded", payment_engine="stripe")
    assert refused == (503, "PAYMENT_PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment_reference": ""}, "payment_reference"),
        ({"payment_reference": None}, "payment_reference"),
        ({"payment_reference": "x" * 256}, "payment_reference"),
        ({"payment_reference": 5}, "payment_reference"),
        ({"payment_status": "paid"}, "payment_status"),
        ({"payment_status": None}, "payment_status"),
        ({"payment_engine": "barter"}, "payment_engine"),
    ],
)
async def test_a_bad_field_of_a_report_is_named(provider: Provider, changes: dict[str, Any], field: str) -> None:
    path, body = f"{BOOKINGS}/{provider.tutor}/payment-callback", provider.report_body("ref", "succeeded")
    assert await provider.service.refused_field("POST", path, body | changes) == field


async def test_a_repeated_report_changes_nothing_about_a_later_refund(make_database: MakeDatabase) -> None:
    """It has a database of its own, because sagas rarely decide on a second refund of one payment."""
    async with Database(await make_database("payment_svc"), name="payment", violations=VIOLATIONS) as database:
        callback, saga = CallbackProvider(database, PaymentSessions({}, 1.0)), await _begun(database)
        payment = (await callback.create_intent(saga, Money(5000, "USD"))).id
        await callback.create_refund(_half(saga, payment))
        assert await callback.record_refunded(payment, "back-1")
        await callback.create_refund(_half(saga, payment))
        assert await callback.record_refunded(payment, "back-1")
        assert sorted(told.status for told in await callback.list_refunds(payment)) == ["pending", "succeeded"]
        assert await callback.record_refunded(payment, "back-2")
        assert [told.status for told in await callback.list_refunds(payment)] == ["succeeded", "succeeded"]


async def _begun(database: Database) -> Saga:
    order = CourseOrder(student_id=uuid4(), course_id=uuid4(), key="")
    ids = {"id": uuid4(), "sold": uuid4(), "payment": uuid4()}
    sagas = SagaStore(database, "somebody", 4.0)
    return await sagas.begin(order, kind=ENROLL, version=1, ids=ids, digest=b"\0" * 32, facts=EnrollmentFacts())


def _half(saga: Saga, payment: str) -> Refund:
    return Refund(
        id=uuid4(),
        payment_id=saga.payment_id,
        saga_id=saga.id,
        payment_intent_id=payment,
        amount=Money(2500, "USD"),
        status=RefundStatus.PENDING,
        reason="cancelled",
    )
