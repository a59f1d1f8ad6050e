"""The page to pay on: what it shows while a purchase can be paid, and what became of it."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import BadInput, Refusal
from tests.learners import enroll
from tests.payment.pages.conftest import PUBLIC_URL, RETURNS, Visitor
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.payment.v1 import link_pb2 as pb
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

AGES_AGO = "update saga set looked_at = clock_timestamp() - interval '1 minute' where id = $1"
JUST_NOW = "update saga set looked_at = clock_timestamp() + interval '1 minute'"
UNASKED = "update saga set looked_at = null, seen_paid = null"
Made = payment_pb2.BookSessionResponse


def status(page: pb.Checkout) -> str:
    return pb.PurchaseStatus.Name(page.purchase.status).removeprefix("PURCHASE_STATUS_")


@pytest.fixture
async def tutor(people: People) -> UUID:
    return await people.tutor(display_name="Ada <b>")


@pytest.fixture
async def made(people: People, tutor: UUID) -> Made:
    return await people.book(
        tutor, lesson_time(), timezone="Europe/Berlin", locale="de-DE", purpose="Algebra", **RETURNS
    )


async def test_a_lesson_to_pay_for(people: People, visitor: Visitor, tutor: UUID, made: Made) -> None:
    assert made.checkout_url.startswith(f"{PUBLIC_URL}/checkout/lk_")
    page = await visitor.checkout(made.checkout_url)
    bought = page.purchase
    assert (status(page), bought.person) == ("PAYMENT_REQUIRED", pb.LINK_PERSON_STUDENT)
    assert (bought.booking_id, bought.enrollment_id, bought.course_id) == (made.booking_id, "", "")
    assert (bought.tutor_id, bought.tutor_name, bought.purpose) == (str(tutor), "Ada <b>", "Algebra")
    assert bought.end_time.ToDatetime(UTC) - bought.start_time.ToDatetime(UTC) == timedelta(hours=1)
    assert (bought.timezone, bought.locale) == ("Europe/Berlin", "de-DE")
    assert (bought.price.amount_minor, bought.price.currency, bought.version) == (5000, "USD", 0)
    assert [(rule.hours, rule.percent) for rule in bought.policy] == [(24, 100), (2, 50)]
    assert page.client_secret == made.client_secret
    assert 1700 < page.seconds_left <= 1800
    assert (page.decline_reason, page.attempts_left) == (payment_pb2.DECLINE_REASON_UNSPECIFIED, 3)
    assert {"return_url": page.return_url, "cancel_url": page.cancel_url} == RETURNS
    assert (page.payment_url, page.manage_url, list(page.free_times)) == ("", "", [])


async def test_repeats_and_reads_give_the_same_link(people: People, visitor: Visitor, tutor: UUID) -> None:
    student, start = uuid4(), lesson_time()
    first, again = [await people.book(tutor, start, student) for _ in range(2)]
    payment = await people.payment(first.payment_id)
    assert first.checkout_url == again.checkout_url == payment.checkout_url != ""
    pages = [await visitor.checkout(first.checkout_url) for _ in range(2)]
    assert pages[0].client_secret == pages[1].client_secret == first.client_secret


async def test_a_seat_in_a_course_to_pay_for(people: People, visitor: Visitor) -> None:
    course = await people.course(title="Fractions </script>")
    made = await enroll(people, course.id, **RETURNS)
    page = await visitor.checkout(made.checkout_url)
    bought = page.purchase
    assert (bought.enrollment_id, bought.course_id) == (made.enrollment_id, course.id)
    assert (bought.booking_id, bought.tutor_id, bought.HasField("start_time")) == ("", "", False)
    assert (bought.course_title, bought.timezone) == ("Fractions </script>", "UTC")
    assert (page.client_secret, page.return_url) == (made.client_secret, RETURNS["return_url"])
    assert [(rule.hours, rule.percent) for rule in bought.policy] == [(336, 100)]
    await people.pay(made.payment_intent_id)
    await people.until_state(made.saga_id, "COMPLETED")
    page = await visitor.checkout(made.checkout_url)
    assert (status(page), page.client_secret) == ("CONFIRMED", "")
    assert page.manage_url.startswith(f"{PUBLIC_URL}/manage/lk_")


async def test_what_is_free_has_no_page(people: People) -> None:
    lesson = await people.book(await people.tutor(rate=0), lesson_time())
    seat = await enroll(people, (await people.course(price=0)).id)
    assert (lesson.saga_state, lesson.checkout_url) == ("COMPLETED", "")
    assert (seat.saga_state, seat.checkout_url) == ("COMPLETED", "")


async def test_a_paid_lesson_leads_to_its_page_to_manage_it(people: People, visitor: Visitor, made: Made) -> None:
    await people.pay(made.payment_intent_id)
    await people.until_state(made.saga_id, "COMPLETED")
    page = await visitor.checkout(made.checkout_url)
    assert (status(page), page.client_secret, page.HasField("attempts_left")) == ("CONFIRMED", "", False)
    assert page.seconds_left <= 0
    assert page.manage_url.startswith(f"{PUBLIC_URL}/manage/lk_")
    assert (await people.payment(made.payment_id)).checkout_url == ""


async def test_a_payment_that_no_webhook_told_of_is_found_by_a_refresh(
    people: People, visitor: Visitor, made: Made
) -> None:
    await people.webhooks("drop")
    assert status(await visitor.refresh(made.checkout_url)) == "PAYMENT_REQUIRED"
    await people.pay(made.payment_intent_id)
    await people.world.sql("payment", AGES_AGO, UUID(made.saga_id))
    assert status(await visitor.refresh(made.checkout_url)) == "CONFIRMED"


async def test_a_refresh_asks_the_provider_once_in_five_seconds(people: People, visitor: Visitor, made: Made) -> None:
    await people.webhooks("drop")
    await people.world.sql("payment", f"{JUST_NOW}, seen_paid = false where id = $1", UUID(made.saga_id))
    await people.pay(made.payment_intent_id)
    assert status(await visitor.refresh(made.checkout_url)) == "PAYMENT_REQUIRED"


async def test_a_page_that_is_loaded_again_after_paying_never_says_pay(
    people: People, visitor: Visitor, made: Made
) -> None:
    """The process that asked the provider dies: before the answer is written down, and after."""
    await people.webhooks("drop")
    await people.pay(made.payment_intent_id)
    for died_with in ("null", "true"):
        died = f"{JUST_NOW}, seen_paid = {died_with} where id = $1"
        await people.world.sql("payment", died, UUID(made.saga_id))
        for read in (visitor.checkout, visitor.refresh):
            page = await read(made.checkout_url)
            assert (status(page), page.client_secret, page.seconds_left) == ("BEING_CONFIRMED", "", 0)
    await people.world.sql("payment", AGES_AGO, UUID(made.saga_id))
    assert status(await visitor.checkout(made.checkout_url)) == "CONFIRMED"


async def test_a_page_asks_the_provider_only_about_a_purchase_that_somebody_asked_about(
    people: People, visitor: Visitor, made: Made
) -> None:
    await people.webhooks("drop")
    assert status(await visitor.refresh(made.checkout_url)) == "PAYMENT_REQUIRED"
    await people.world.sql("payment", AGES_AGO, UUID(made.saga_id))
    await people.fault(f"/v1/payment_intents/{made.payment_intent_id}", "error_before", method="GET")
    page = await visitor.checkout(made.checkout_url)  # the provider is away, and had no money when it last answered
    assert (status(page), page.client_secret) == ("PAYMENT_REQUIRED", made.client_secret)
    await people.pay(made.payment_intent_id)
    await people.world.sql("payment", f"{UNASKED} where id = $1", UUID(made.saga_id))
    assert status(await visitor.checkout(made.checkout_url)) == "PAYMENT_REQUIRED"
    await people.world.sql("payment", AGES_AGO, UUID(made.saga_id))
    assert status(await visitor.checkout(made.checkout_url)) == "CONFIRMED"


async def test_a_seat_is_refreshed_too(people: People, visitor: Visitor) -> None:
    made = await enroll(people, (await people.course()).id)
    await people.webhooks("drop")
    await people.pay(made.payment_intent_id)
    assert status(await visitor.refresh(made.checkout_url)) == "CONFIRMED"


async def test_a_payment_that_the_saga_has_not_heard_of_is_being_confirmed(
    people: People, visitor: Visitor, made: Made
) -> None:
    """Another replica has the saga and hangs: the provider has the money, and the saga does not know it."""
    await people.webhooks("drop")
    await people.pay(made.payment_intent_id)
    leased = """update saga set lease_owner = 'somebody', lease_until = clock_timestamp() + interval '1 minute'
        where id = $1"""
    await people.world.sql("payment", leased, UUID(made.saga_id))
    page = await visitor.refresh(made.checkout_url)
    assert (status(page), page.client_secret) == ("BEING_CONFIRMED", "")
    freed = "update saga set lease_owner = null, lease_until = null, wake_at = clock_timestamp() where id = $1"
    await people.world.sql("payment", freed, UUID(made.saga_id))
    await people.until_state(made.saga_id, "COMPLETED")


async def test_declines_are_told_with_the_attempts_that_are_left(people: People, visitor: Visitor, made: Made) -> None:
    await people.pay(made.payment_intent_id, "pm_card_chargeDeclinedInsufficientFunds")
    page = await wait_until(lambda: visitor.checkout(made.checkout_url), lambda page: page.attempts_left == 2)
    assert page.decline_reason == payment_pb2.DECLINE_REASON_INSUFFICIENT_FUNDS
    assert (status(page), page.client_secret) == ("PAYMENT_REQUIRED", made.client_secret)
    for _ in range(2):
        await people.pay(made.payment_intent_id, "pm_card_chargeDeclined")
    await people.until_state(made.saga_id, "PAYMENT_FAILED")
    page = await visitor.checkout(made.checkout_url)
    assert (status(page), page.client_secret, page.HasField("attempts_left")) == ("PAYMENT_FAILED", "", False)
    assert page.decline_reason == payment_pb2.DECLINE_REASON_CARD_DECLINED


async def test_after_the_end_of_the_hold_nothing_pays_and_the_nearest_times_are_offered(
    people: People, visitor: Visitor, tutor: UUID, made: Made
) -> None:
    start = lesson_time()
    await people.book(tutor, start + timedelta(hours=1))  # the next hour is somebody else's
    await people.let_the_hold_end(made.saga_id, grace_too=True)
    page = await visitor.checkout(made.checkout_url)
    assert (page.client_secret, page.seconds_left <= 0) == ("", True)
    await people.until_state(made.saga_id, "EXPIRED")
    page = await visitor.checkout(made.checkout_url)
    assert (status(page), page.client_secret, page.manage_url) == ("EXPIRED", "", "")
    offered = [(time.start_time.ToDatetime(UTC), time.end_time.ToDatetime(UTC)) for time in page.free_times]
    begins = [start - timedelta(minutes=30), start - timedelta(minutes=15), start]
    assert offered == [(begin, begin + timedelta(hours=1)) for begin in begins]


async def test_a_lesson_that_its_student_cancelled_unpaid(people: People, visitor: Visitor, tutor: UUID) -> None:
    student = uuid4()
    made = await people.book(tutor, lesson_time(), student)
    booked = Booked(
        made.booking_id, made.saga_id, made.session_id, made.payment_id, made.payment_intent_id, student, tutor
    )
    await people.cancel(booked)
    page = await visitor.checkout(made.checkout_url)
    assert (status(page), page.client_secret, len(page.free_times)) == ("CANCELLED", "", 3)


@pytest.mark.parametrize("field", ["return_url", "cancel_url"])
@pytest.mark.parametrize(
    "url", ["https://evil.example/", "javascript:alert(1)", "https://app.example.org/" + "x" * 2000]
)
async def test_pages_of_other_origins_are_refused_before_anything_is_held(
    people: People, tutor: UUID, field: str, url: str
) -> None:
    course, student = await people.course(), uuid4()
    orders = (
        people.book(tutor, lesson_time(), student, **{field: url}),
        enroll(people, course.id, student, **{field: url}),
    )
    for order in orders:
        with pytest.raises(BadInput) as refused:
            await order
        assert refused.value.field == field
    assert await people.saga_row(student) == []


async def test_a_key_stands_for_the_pages_too(people: People, tutor: UUID) -> None:
    student, start = uuid4(), lesson_time()
    first = await people.book(tutor, start, student, idempotency_key="k", **RETURNS)
    again = await people.book(tutor, start, student, idempotency_key="k", **RETURNS)
    assert again.booking_id == first.booking_id
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, start, student, idempotency_key="k")
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_a_purchase_of_the_version_before_has_a_page(people: People, visitor: Visitor, made: Made) -> None:
    forget = """update saga set context = context - 'return_url' - 'cancel_url' - 'timezone' - 'locale' - 'tutor_name'
        where id = $1"""
    await people.world.sql("payment", forget, UUID(made.saga_id))
    page = await visitor.checkout(made.checkout_url)
    assert (page.return_url, page.cancel_url, page.purchase.timezone) == ("", "", "UTC")
    assert (page.purchase.tutor_name, page.client_secret) == ("Ada <b>", made.client_secret)


async def test_only_its_student_and_services_get_the_link(people: People, tutor: UUID) -> None:
    student = uuid4()
    made = await people.book(tutor, lesson_time(), student)

    async def seen(role: str, who: UUID) -> str:
        stub: Any = people.stub(PaymentServiceStub, "payment", "bff", people.world.token(role, subject=who))
        wanted = payment_pb2.GetPaymentRequest(payment_id=made.payment_id)
        return str((await stub.GetPayment(wanted, timeout=5)).payment.checkout_url)

    assert await seen("student", student) == made.checkout_url
    assert await seen("tutor", tutor) == ""
