"""The price that a student was shown: what is sold costs exactly that, or nothing is held."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest

from mesh.errors import Refusal
from mesh.money import Money as Amount
from payment_svc.domain import AskedPrice, Saga
from payment_svc.peers import Peers
from payment_svc.selling.book_and_pay import hold_slot
from payment_svc.selling.enroll_in_course import hold_seat
from payment_svc.selling.holding import RefusedInDoubt
from tests.people import WEEK, People, lesson_time
from tests.world import World
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

ANSWER = "paymentIntentId userErrors { code field retryable }"
BOOK = f"""mutation($id: ID!, $time: AWSDateTime!, $price: MoneyInput, $key: String) {{
  bookSession(tutorId: $id, time: $time, price: $price, idempotencyKey: $key) {{
    booking {{ id price {{ amountMinor currency }} }} {ANSWER} }} }}"""
ENROLL = f"""mutation($id: ID!, $price: MoneyInput, $key: String) {{
  enrollInCourse(courseId: $id, price: $price, idempotencyKey: $key) {{
    enrollment {{ id payment {{ amount {{ amountMinor currency }} }} }} {ANSWER} }} }}"""
MISMATCH = [{"code": "AMOUNT_MISMATCH", "field": ["price"], "retryable": False}]


def usd(minor: int) -> dict[str, Any]:
    return {"amountMinor": minor, "currency": "USD"}


class Client:
    """A student at GraphQL."""

    def __init__(self, world: World, role: str = "student") -> None:
        self.world, self.student = world, uuid4()
        self.headers = {"authorization": f"Bearer {world.token(role, subject=self.student)}"}

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        async with httpx.AsyncClient(timeout=10) as http:
            body = {"query": query, "variables": variables}
            return dict((await http.post(f"{self.world.bff_url}/graphql", json=body, headers=self.headers)).json())

    async def book(self, tutor: UUID, start: datetime, **more: Any) -> dict[str, Any]:
        answer = await self.ask(BOOK, id=str(tutor), time=start.isoformat(), **more)
        assert "errors" not in answer, answer
        return dict(answer["data"]["bookSession"])

    async def enroll(self, course: str, **more: Any) -> dict[str, Any]:
        answer = await self.ask(ENROLL, id=course, **more)
        assert "errors" not in answer, answer
        return dict(answer["data"]["enrollInCourse"])

    async def made(self) -> list[str]:
        """The states of this student's sagas."""
        ask = "select state from saga where student_id = $1 order by created_at"
        return [row["state"] for row in await self.world.sql("payment", ask, self.student)]


async def listed_price(people: People, tutor: UUID, start: datetime) -> dict[str, Any]:
    """What a listing shows for this hour."""
    request = availability_pb2.ListSlotsRequest(tutor_id=str(tutor), duration_minutes=60)
    getattr(request, "from").FromDatetime(start)
    request.to.FromDatetime(start.replace(hour=start.hour + 2))
    reply = await people.stub(AvailabilityServiceStub, "availability", "bff").ListSlots(request, timeout=5)
    return {"amountMinor": reply.slots[0].price.amount_minor, "currency": reply.slots[0].price.currency}


async def change_rate(people: People, tutor: UUID, minor: int, currency: str = "USD") -> None:
    """The tutor publishes their week at another rate."""
    request = availability_pb2.PublishAvailabilityRequest(tutor_id=str(tutor), timezone="UTC")
    for day in WEEK:
        weekday = availability_pb2.Weekday.Value(f"WEEKDAY_{day}")
        request.weekly.add(weekday=weekday, start="00:00", end="24:00")
    request.rate.amount_minor, request.rate.currency = minor, currency
    await people.stub(AvailabilityServiceStub, "availability", "bff").PublishAvailability(request, timeout=5)


async def test_57_a_rate_that_changes_between_listing_and_booking_is_a_mismatch_and_holds_nothing(
    people: People, world: World
) -> None:
    tutor, start, client = await people.tutor(5000), lesson_time(), Client(world)
    shown = await listed_price(people, tutor, start)
    await change_rate(people, tutor, 9_900_000)
    assert (await client.book(tutor, start, price=shown))["userErrors"] == MISMATCH
    assert await client.made() == ["REJECTED"]
    other = Client(world)  # the time is free
    now = await other.book(tutor, start, price=usd(9_900_000))
    assert (now["booking"]["price"], now["userErrors"]) == (usd(9_900_000), [])


@pytest.mark.parametrize("named", [None, usd(5000), {"amountMinor": 5000, "currency": "usd"}])
async def test_57_the_price_as_it_is_and_no_price_are_booked(people: People, world: World, named: Any) -> None:
    booked = await Client(world).book(await people.tutor(5000), lesson_time(), price=named)
    assert (booked["booking"]["price"], booked["userErrors"]) == (usd(5000), [])


@pytest.mark.parametrize(
    "named",
    [usd(4999), usd(5001), usd(0), usd(1), usd(99_999_999), {"amountMinor": 5000, "currency": "EUR"}],
    ids=lambda named: f"{named['amountMinor']} {named['currency']}",
)
@pytest.mark.parametrize("kind", ["lesson", "seat"])
async def test_57_any_other_price_is_refused(people: People, world: World, kind: str, named: dict[str, Any]) -> None:
    client = Client(world)
    if kind == "lesson":
        refused = await client.book(await people.tutor(5000), lesson_time(), price=named)
    else:
        course = await people.course(5000, seats=1)
        refused = await client.enroll(course.id, price=named)
        assert await people.seats_taken(course.id) == 0
        assert (
            await people.world.sql("learning", "select 1 from enrollment where student_id = $1", client.student) == []
        )
    assert refused["userErrors"] == MISMATCH and refused["paymentIntentId"] is None
    assert await client.made() == ["REJECTED"]


@pytest.mark.parametrize("kind", ["lesson", "seat"])
@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"amountMinor": -1, "currency": "USD"}, ["price"]),
        ({"amountMinor": 5000, "currency": "XXB"}, ["price"]),
        ({"amountMinor": 5000, "currency": ""}, ["price"]),
        ({"amountMinor": 5000, "currency": "US\0"}, ["price"]),
    ],
)
async def test_57_what_is_no_price_is_bad_input_that_names_the_argument(
    people: People, world: World, kind: str, named: dict[str, Any], field: list[str]
) -> None:
    client = Client(world)
    if kind == "lesson":
        answer = await client.ask(BOOK, id=str(await people.tutor()), time=lesson_time().isoformat(), price=named)
    else:
        answer = await client.ask(ENROLL, id=(await people.course()).id, price=named)
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", field)
    assert await client.made() == []


@pytest.mark.parametrize("kind", ["lesson", "seat"])
async def test_57_prices_that_do_not_match_hold_nothing_and_are_no_unpaid_ends(
    people: People, world: World, kind: str
) -> None:
    """Somebody whose page is old asks more often than one may let holds end unpaid."""
    client, tutor, course = Client(world), await people.tutor(5000), (await people.course(5000)).id

    async def buy(price: int) -> Any:
        if kind == "lesson":
            return await client.book(tutor, lesson_time(), price=usd(price))
        return await client.enroll(course, price=usd(price))

    for price in range(4000, 4007):
        assert (await buy(price))["userErrors"] == MISMATCH
    assert await world.sql("availability", "select 1 from hold where student_id = $1", client.student) == []
    assert (await buy(5000))["userErrors"] == []


async def test_57_a_service_sets_no_price_at_graphql(people: People, world: World) -> None:
    """Only at REST is the word of a service the price."""
    tutor = await people.tutor(5000)
    request = payment_pb2.BookSessionRequest(
        student_id=str(uuid4()),
        tutor_id=str(tutor),
        duration_minutes=60,
        expected_price=Money(amount_minor=0, currency="USD"),
    )
    request.start_time.FromDatetime(lesson_time())
    stub = people.stub(PaymentServiceStub, "payment", "bff", world.token("service"))
    with pytest.raises(Refusal) as refused:
        await stub.BookSession(request, timeout=8)
    assert refused.value.reason == "AMOUNT_MISMATCH"
    request.price.amount = "0"
    with pytest.raises(Refusal) as refused:
        await stub.BookSession(request, timeout=8)
    assert (refused.value.reason, refused.value.field) == ("BAD_USER_INPUT", "expected_price")


async def test_57_an_open_purchase_is_joined_only_at_its_price(people: People, world: World) -> None:
    client, tutor, start = Client(world), await people.tutor(5000), lesson_time()
    first = await client.book(tutor, start)
    assert (await client.book(tutor, start, price=usd(4000)))["userErrors"] == MISMATCH
    assert (await client.book(tutor, start, price=usd(5000)))["booking"] == first["booking"]
    course = (await people.course(5000)).id
    enrolled = await client.enroll(course)
    assert (await client.enroll(course, price=usd(4000)))["userErrors"] == MISMATCH
    assert (await client.enroll(course, price=usd(5000)))["enrollment"] == enrolled["enrollment"]
    assert await client.made() == ["AWAITING_PAYMENT", "AWAITING_PAYMENT"]


async def test_57_the_price_is_part_of_what_a_key_stands_for(people: People, world: World) -> None:
    client, course = Client(world), (await people.course(5000)).id
    key = {"key": "k"}
    assert (await client.enroll(course, price=usd(4000), **key))["userErrors"] == MISMATCH  # which frees the key
    first = await client.enroll(course, price=usd(5000), **key)
    assert (await client.enroll(course, price=usd(5000), **key))["enrollment"] == first["enrollment"]
    for other in (None, usd(4000)):
        refused = await client.enroll(course, price=other, **key)
        assert [error["code"] for error in refused["userErrors"]] == ["IDEMPOTENCY_MISMATCH"]


async def test_57_the_seat_of_somebody_who_has_one_is_no_question_of_its_price(people: People, world: World) -> None:
    client, course = Client(world), (await people.course(0)).id
    assert (await client.enroll(course, price=usd(0)))["userErrors"] == []
    refused = await client.enroll(course, price=usd(1))
    assert [error["code"] for error in refused["userErrors"]] == ["ALREADY_ENROLLED"]


async def test_57_a_seat_that_an_older_learning_service_held_at_another_price_is_given_back() -> None:
    async def hold(request: learning_pb2.HoldSeatRequest, timeout: float) -> learning_pb2.HoldSeatResponse:
        return learning_pb2.HoldSeatResponse(price=Money(amount_minor=9000, currency="USD"), seconds_left=60)

    peers = cast(Peers, SimpleNamespace(learning=SimpleNamespace(HoldSeat=hold)))
    purchase = SimpleNamespace(asked_price=AskedPrice.shown(Amount(5000, "USD")))
    ids = {name: uuid4() for name in ("id", "sold_id", "course_id", "student_id", "payment_id")}
    saga = cast(Saga, SimpleNamespace(purchase_facts=purchase, is_repeat=False, **ids))
    with pytest.raises(RefusedInDoubt) as refused:
        await hold_seat(peers, saga)
    assert refused.value.refusal.reason == "AMOUNT_MISMATCH"


async def test_57_a_slot_that_an_older_availability_service_held_at_another_price_is_released() -> None:
    released: list[str] = []

    async def hold(request: availability_pb2.HoldSlotRequest, timeout: float) -> availability_pb2.HoldSlotResponse:
        assert (request.expected_amount, request.expected_currency) == ("50.00", "USD")
        return availability_pb2.HoldSlotResponse(price=Money(amount_minor=9000, currency="USD"), seconds_left=60)

    async def release(request: availability_pb2.ReleaseSlotRequest, timeout: float) -> None:
        released.append(request.saga_id)

    peers = cast(Peers, SimpleNamespace(availability=SimpleNamespace(HoldSlot=hold, ReleaseSlot=release)))
    lesson = SimpleNamespace(tutor_id=uuid4(), start=lesson_time(), minutes=60)
    purchase = SimpleNamespace(asked_price=AskedPrice.shown(Amount(5000, "USD")))
    ids = {name: uuid4() for name in ("id", "student_id")}
    saga = cast(Saga, SimpleNamespace(purchase_facts=purchase, lesson=lesson, is_repeat=False, **ids))
    with pytest.raises(Refusal) as refused:
        await hold_slot(peers, saga)
    assert (refused.value.reason, released) == ("AMOUNT_MISMATCH", [str(saga.id)])
