"""A student who has paid has the provider asked at once; at most once in five seconds, whoever else has asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import Forbidden, NotFound, Refusal, Unauthenticated
from tests.learners import enroll
from tests.people import Booked, People, lesson_time
from tutormesh.payment.v1 import payment_pb2, payment_pb2_grpc

LOOKED = "update saga set looked_at = clock_timestamp() {} where id = $1"
AGES_AGO, JUST_NOW = LOOKED.format("- interval '5 seconds'"), LOOKED.format("+ interval '1 minute'")


async def refresh(people: People, booking: str, who: UUID | None, role: str = "student") -> str:
    token = people.world.token(role, subject=who) if who else None
    stub: Any = people.stub(payment_pb2_grpc.PaymentServiceStub, "payment", "bff", token)
    request = payment_pb2.RefreshBookingRequest(booking_id=booking)
    return str((await stub.RefreshBooking(request, timeout=9)).saga_state)


@pytest.fixture
async def unheard(people: People) -> Booked:
    """A booking whose provider's webhooks are lost."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    return booked


async def test_a_payment_that_no_webhook_told_of_is_found_when_its_student_asks(
    people: People, unheard: Booked
) -> None:
    await people.pay(unheard.intent)
    assert await people.state(unheard.saga) == "AWAITING_PAYMENT"
    assert await refresh(people, unheard.booking, unheard.student) == "COMPLETED"
    assert await refresh(people, unheard.booking, unheard.student) == "COMPLETED"


async def test_the_provider_is_asked_once_in_five_seconds(people: People, unheard: Booked) -> None:
    assert await refresh(people, unheard.booking, unheard.student) == "AWAITING_PAYMENT"
    await people.pay(unheard.intent)
    await people.world.sql("payment", JUST_NOW, UUID(unheard.saga))  # a slow machine may need five seconds to come here
    assert await refresh(people, unheard.booking, unheard.student) == "AWAITING_PAYMENT"
    await people.world.sql("payment", AGES_AGO, UUID(unheard.saga))
    assert await refresh(people, unheard.booking, unheard.student) == "COMPLETED"


async def test_a_provider_that_is_away_says_so_and_changes_nothing(people: People, unheard: Booked) -> None:
    await people.fault(f"/v1/payment_intents/{unheard.intent}", "error_before", method="GET")
    with pytest.raises(Refusal) as refused:
        await refresh(people, unheard.booking, unheard.student)
    assert refused.value.reason == "PAYMENT_PROVIDER_UNAVAILABLE"
    assert await refresh(people, unheard.booking, unheard.student) == "AWAITING_PAYMENT"


async def test_only_its_student_may_ask(people: People, unheard: Booked) -> None:
    for who, role in ((uuid4(), "student"), (uuid4(), "tutor")):
        with pytest.raises(NotFound):
            await refresh(people, unheard.booking, who, role)
    for who, role in ((unheard.tutor, "tutor"), (uuid4(), "admin"), (uuid4(), "service")):
        with pytest.raises(Forbidden):
            await refresh(people, unheard.booking, who, role)
    with pytest.raises(Unauthenticated):
        await refresh(people, unheard.booking, None)


async def test_what_is_no_booking_is_not_found(people: People) -> None:
    student = uuid4()
    made = await enroll(people, (await people.course()).id, student)
    for no_booking in (str(uuid4()), made.enrollment_id):
        with pytest.raises(NotFound):
            await refresh(people, no_booking, student)
