"""Many payments, and many bookings' histories, in one call: the caller's own; and page by page."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from mesh.errors import BadInput, Forbidden, NotFound, Refusal
from tests.learners import enrolled
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.payment.v1 import payment_pb2 as pb
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


async def payments(stub: Any, *payment_ids: str) -> dict[str, pb.Payment]:
    reply = await stub.BatchGetPayments(pb.BatchGetPaymentsRequest(payment_ids=payment_ids), timeout=5)
    return {payment.id: payment for payment in reply.payments}


async def timelines(stub: Any, *booking_ids: str) -> dict[str, list[Any]]:
    request = pb.BatchGetBookingTimelinesRequest(booking_ids=booking_ids)
    reply = await stub.BatchGetBookingTimelines(request, timeout=5)
    return {told.booking_id: list(told.entries) for told in reply.timelines}


def reader(people: People, role: str = "", person: UUID | None = None) -> Any:
    token = people.world.token(role, subject=person or uuid4()) if role else None
    return people.stub(PaymentServiceStub, "payment", "bff", token)


@pytest_asyncio.fixture
async def sold(people: People) -> tuple[Booked, Booked]:
    """Two lessons of one tutor to two students, the first paid and given back in part."""
    tutor = await people.tutor()
    first, second = [await people.booked(tutor, lesson_time(hour=hour)) for hour in (10, 14)]
    await people.pay(first.intent)
    await people.until_state(first.saga, "COMPLETED")
    await people.refund_by_hand(first.intent, 2000)
    await wait_until(lambda: people.refund_rows(first), lambda rows: [row["status"] for row in rows] == ["SUCCEEDED"])
    await people.at_rest()
    return first, second


async def test_a_batch_gives_each_payment_as_it_is_alone(people: People, sold: tuple[Booked, Booked]) -> None:
    stub = reader(people, "tutor", sold[0].tutor)
    ids = [booked.payment for booked in sold]
    alone = {each: (await stub.GetPayment(pb.GetPaymentRequest(payment_id=each), timeout=5)).payment for each in ids}
    assert await payments(stub, *ids, *ids) == alone


async def test_a_batch_gives_each_history_as_it_is_alone(people: People, sold: tuple[Booked, Booked]) -> None:
    stub = reader(people, "tutor", sold[0].tutor)
    ids = [booked.booking for booked in sold]
    alone = {}
    for each in ids:
        told = await stub.GetBookingTimeline(pb.GetBookingTimelineRequest(booking_id=each), timeout=5)
        alone[each] = list(told.entries)
    assert await timelines(stub, *ids, *ids) == alone
    assert len(alone[ids[0]]) > len(alone[ids[1]]) > 0


async def test_a_batch_leaves_out_what_one_of_its_readers_may_not_see(
    people: People, sold: tuple[Booked, Booked]
) -> None:
    first, second = sold
    asked = [first.payment, second.payment, str(uuid4())]
    told = [first.booking, second.booking, str(uuid4())]
    whole, own, nothing = (set(asked[:2]), set(told[:2])), ({second.payment}, {second.booking}), (set(), set())
    seen = {
        "student": (reader(people, "student", second.student), own),
        "tutor": (reader(people, "tutor", second.tutor), whole),
        "admin": (reader(people, "admin"), whole),
        "service": (reader(people), whole),
        "stranger": (reader(people, "student"), nothing),
    }
    for name, (stub, expected) in seen.items():
        assert (set(await payments(stub, *asked)), set(await timelines(stub, *told))) == expected, name


async def test_a_history_of_a_booking_that_never_came_about_is_none(people: People) -> None:
    tutor = await people.tutor()
    taken = await people.booked(tutor, lesson_time())
    student = uuid4()
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student)
    assert refused.value.reason == "SLOT_TAKEN"
    rejected = await people.world.sql("payment", "select booking_id from saga where student_id = $1", student)
    ids = [str(row["booking_id"]) for row in rejected]
    assert len(ids) == 1
    assert set(await timelines(reader(people), taken.booking, *ids)) == {taken.booking}
    with pytest.raises(NotFound):
        await reader(people).GetBookingTimeline(pb.GetBookingTimelineRequest(booking_id=ids[0]), timeout=5)


@pytest.mark.parametrize(("ask", "name"), [(payments, "payment_ids"), (timelines, "booking_ids")])
async def test_a_bad_batch_names_its_field(people: People, ask: Any, name: str) -> None:
    for ids, field in (([str(uuid4()), "x"], f"{name}[1]"), ([str(uuid4())] * 201, name)):
        with pytest.raises(BadInput) as refused:
            await ask(reader(people), *ids)
        assert refused.value.field == field


async def test_a_tutor_sees_the_money_of_own_lessons_and_courses(people: People, sold: tuple[Booked, Booked]) -> None:
    tutor = sold[0].tutor
    place = await enrolled(people, await people.course(instructor_id=str(tutor)))
    await people.booked(await people.tutor(), lesson_time(hour=18))  # another tutor's
    stub, told, token = reader(people, "tutor", tutor), list[pb.Payment](), ""
    while len(told) == 0 or token:
        wanted = pb.ListTutorPaymentsRequest(tutor_id=str(tutor), page_size=2, page_token=token)
        page = await stub.ListTutorPayments(wanted, timeout=5)
        told, token = [*told, *page.payments], page.next_page_token
    assert [payment.id for payment in told] == [place.payment, sold[1].payment, sold[0].payment]
    assert [payment.student_id for payment in told] == [str(each.student) for each in (place, sold[1], sold[0])]
    assert [payment.refunded.amount_minor for payment in told] == [0, 0, 2000]
    with pytest.raises(Forbidden):
        await reader(people, "tutor").ListTutorPayments(wanted, timeout=5)


async def test_no_read_tells_a_tutor_the_payment_intent(people: People, sold: tuple[Booked, Booked]) -> None:
    async def intents(stub: Any) -> set[str]:
        of_tutor = pb.ListTutorPaymentsRequest(tutor_id=str(sold[0].tutor))
        one = (await stub.GetPayment(pb.GetPaymentRequest(payment_id=sold[0].payment), timeout=5)).payment
        many = (await payments(stub, sold[0].payment, sold[1].payment)).values()
        listed = (await stub.ListTutorPayments(of_tutor, timeout=5)).payments
        assert {len(many), len(listed)} == {2}
        return {payment.stripe_payment_intent_id for payment in (one, *many, *listed)}

    assert await intents(reader(people, "tutor", sold[0].tutor)) == {""}
    for stub in (reader(people, "admin"), reader(people, "service"), reader(people)):
        assert await intents(stub) == {sold[0].intent, sold[1].intent}
    own = reader(people, "student", sold[0].student)
    assert (await payments(own, sold[0].payment))[sold[0].payment].stripe_payment_intent_id == sold[0].intent


async def test_a_saga_tells_its_student_how_far_it_is(people: People, sold: tuple[Booked, Booked]) -> None:
    async def progress(stub: Any, saga_id: str) -> tuple[str, bool]:
        told = await stub.GetSagaProgress(pb.GetSagaProgressRequest(saga_id=saga_id), timeout=5)
        assert told.saga_id == saga_id
        return told.saga_state, told.is_complete

    paid, waiting = sold
    own = reader(people, "student", paid.student)
    assert await progress(own, paid.saga) == ("COMPLETED", True)
    assert await progress(reader(people, "student", waiting.student), waiting.saga) == ("AWAITING_PAYMENT", False)
    cancel = await people.cancel(paid, paid.student)
    await people.until_state(cancel.saga_id, "REFUNDED")
    assert await progress(own, cancel.saga_id) == ("REFUNDED", True)
    for saga_id in (waiting.saga, str(uuid4())):
        with pytest.raises(NotFound):
            await progress(own, saga_id)
    with pytest.raises(BadInput) as refused:
        await progress(own, "x")
    assert refused.value.field == "saga_id"


async def test_a_dispute_is_a_case_that_only_operators_see(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.dispute(booked.intent)
    ask = "select id::text, student_id from saga where kind = 'DisputeCase' and booking_id = $1"
    (case,) = await wait_until(lambda: people.world.sql("payment", ask, UUID(booked.booking)), bool)
    assert case["student_id"] == booked.student
    for stub in (reader(people, "student", booked.student), reader(people, "admin")):
        with pytest.raises(NotFound):
            await stub.GetSagaProgress(pb.GetSagaProgressRequest(saga_id=case["id"]), timeout=5)
    await people.resolve(case["id"], "COMPLETED")


async def test_pages_of_payments_neither_repeat_nor_skip_when_one_more_is_made_meanwhile(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    stub = reader(people, "student", student)

    async def page(token: str = "") -> pb.ListPaymentsResponse:
        wanted = pb.ListPaymentsRequest(student_id=str(student), page_size=1, page_token=token)
        return await stub.ListPayments(wanted, timeout=5)

    made = [(await people.book(tutor, lesson_time(hour=hour), student)).payment_id for hour in (8, 10)]
    first = await page()
    await people.book(tutor, lesson_time(hour=12), student)
    second = await page(first.next_page_token)
    assert [payment.id for payment in (*first.payments, *second.payments)] == made[::-1]
    assert second.next_page_token == ""
