"""The providers of PAYMENT_ENGINES: who may name which, and how one with a URL is asked for a payment session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from mesh.errors import Refusal
from payment_svc.providers.sessions import MOST_ANSWER_BYTES, AskedEngine
from tests.bff.rest.conftest import BOOKINGS, Rest, order
from tests.fake_engine import Answer, FakeEngine, answer, fake_engine, silence
from tests.learners import enroll
from tests.people import People, lesson_time, wait_until
from tests.world import World
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

ENGINES = "stripe,callback,placeholder,acme"


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    return {"payment": {"payment_engines": ENGINES, "payment_engine_timeout_seconds": 0.5}}


@pytest_asyncio.fixture
async def engine(world: World) -> AsyncIterator[FakeEngine]:
    """`acme`, which is asked. Whatever it was asked again, it was asked alike, and outside of every transaction."""
    async with fake_engine() as acme:
        world.asked["acme"] = AskedEngine(acme.url, acme.secret)
        yield acme
    assert all(len(bodies) == 1 for bodies in acme.bodies.values())


@pytest.fixture
def service(someone: Callable[..., Rest]) -> Rest:
    return someone("service")


@pytest.fixture
def student(someone: Callable[..., Rest]) -> Rest:
    return someone("student")


async def report(service: Rest, booking: Any, body: dict[str, str]) -> Any:
    return await service.data("POST", f"{BOOKINGS}/{booking['uuid']}/payment-callback", body)


async def test_the_guides_report_works_as_printed(people: People, service: Rest, student: Rest, someone: Any) -> None:
    body = {"payment_reference": "pi_12345", "payment_status": "succeeded", "payment_engine": "placeholder"}
    asked = order(student.id, await people.tutor(), lesson_time(), payment_engine="placeholder")
    made = await service.data("POST", BOOKINGS, asked)
    assert (made["payment_session_id"][:3], made["payment_url"]) == ("cb_", None)
    path = f"{BOOKINGS}/{made['uuid']}/payment-callback"
    assert await someone("").refused("POST", path, body) == (401, "UNAUTHENTICATED")
    for role in ("student", "tutor", "admin"):
        assert await someone(role).refused("POST", path, body) == (403, "FORBIDDEN")
    assert (await report(service, made, body))["status"] == "confirmed"


@pytest.mark.parametrize("engine_name", ["callback", "placeholder", "acme"])
async def test_only_a_service_names_another_engine_than_the_default(
    people: People, student: Rest, someone: Callable[..., Rest], engine_name: str
) -> None:
    asked = order(student.id, await people.tutor(), lesson_time(), payment_engine=engine_name)
    assert await someone("").refused("POST", BOOKINGS, asked) == (401, "UNAUTHENTICATED")
    assert await student.refused("POST", BOOKINGS, asked) == (403, "FORBIDDEN")
    assert (await student.data("POST", BOOKINGS, asked | {"payment_engine": "stripe"}))["client_secret"]


@pytest.mark.parametrize("engine_name", ["barter", "", "Stripe", "acme ", "x" * 32, "acme\n", 5])
async def test_an_engine_that_is_not_listed_is_refused_by_its_field(
    people: People, service: Rest, student: Rest, engine_name: Any
) -> None:
    asked = order(student.id, await people.tutor(), lesson_time(), payment_engine=engine_name)
    assert await service.refused_field("POST", BOOKINGS, asked) == "payment_engine"
    body = {"payment_reference": "r", "payment_status": "failed", "payment_engine": engine_name}
    assert await service.refused_field("POST", f"{BOOKINGS}/{uuid4()}/payment-callback", body) == "payment_engine"


async def test_a_reference_is_of_one_booking_for_each_engine(people: People, service: Rest, student: Rest) -> None:
    tutor, used = await people.tutor(), {"payment_reference": "used-once", "payment_engine": "callback"}
    made = [
        await service.book(tutor, lesson_time(3, hour), student_uuid=str(uuid4()), payment_engine=engine_name)
        for hour, engine_name in ((9, "callback"), (11, "callback"), (13, "placeholder"))
    ]
    for status in ("succeeded", "succeeded", "failed"):
        assert (await report(service, made[0], used | {"payment_status": status}))["status"] == "confirmed"
    path = f"{BOOKINGS}/{made[1]['uuid']}/payment-callback"
    for status in ("succeeded", "failed", "refunded"):
        assert await service.refused("POST", path, used | {"payment_status": status}) == (409, "REFERENCE_USED")
    assert (await service.data("GET", f"{BOOKINGS}/{made[1]['uuid']}"))["status"] == "payment_required"
    theirs = used | {"payment_status": "failed", "payment_engine": "placeholder"}
    assert (await report(service, made[2], theirs))["status"] == "payment_failed"


async def test_the_schema_refuses_a_reference_to_a_second_booking(
    people: People, service: Rest, student: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two reports at the same time: neither sees the other when it looks."""
    tutor, provider = await people.tutor(), people.world.replicas[0].app.callbacks.providers.of_intent("cb_")
    first, second = [
        await service.book(tutor, lesson_time(3, hour), student_uuid=str(uuid4()), payment_engine="callback")
        for hour in (9, 11)
    ]

    async def see_nothing(*_: Any) -> None: ...

    monkeypatch.setattr(provider, "_check_reference", see_nothing)
    body = {"payment_reference": "at-once", "payment_engine": "callback", "payment_status": "succeeded"}
    assert (await report(service, first, body))["status"] == "confirmed"
    path = f"{BOOKINGS}/{second['uuid']}/payment-callback"
    for status in ("succeeded", "failed"):
        assert await service.refused("POST", path, body | {"payment_status": status}) == (409, "REFERENCE_USED")


async def test_an_engine_with_a_url_is_asked_for_the_session(
    people: People, service: Rest, student: Rest, someone: Any, engine: FakeEngine
) -> None:
    tutor = await people.tutor()
    made = await service.book(tutor, lesson_time(), student_uuid=str(student.id), payment_engine="acme")
    (asked,) = engine.asked
    assert (asked["booking_uuid"], asked["payment_engine"]) == (made["uuid"], "acme")
    assert (asked["amount"], asked["amount_minor"], asked["currency"]) == ("50.00", 5000, "USD")
    assert asked["hold_expires_at"] == made["hold_expires_at"]
    session = engine.sessions[asked["request_id"]]
    url = f"https://pay.example.com/{session}"
    assert (made["payment_session_id"], made["payment_url"], made["client_secret"]) == (session, url, None)
    seen = await student.data("GET", f"{BOOKINGS}/{made['uuid']}")
    assert (seen["payment_session_id"], seen["payment_url"]) == (session, url)
    by_tutor = await someone("tutor", subject=tutor).data("GET", f"{BOOKINGS}/{made['uuid']}")
    assert by_tutor["payment_url"] is None
    live = await student.data(
        "POST", "/payment/create-intent", {"bookingId": made["uuid"], "amount": 50, "currency": "USD"}
    )
    assert (live["payment_session_id"], live["payment_url"]) == (session, url)
    again = await service.book(tutor, lesson_time(), student_uuid=str(student.id), payment_engine="acme")
    assert (again["uuid"], again["payment_url"], len(engine.asked)) == (made["uuid"], url, 1)
    body = {"payment_reference": session, "payment_status": "succeeded", "payment_engine": "acme"}
    done = await report(service, made, body)
    assert (done["status"], done["payment_session_id"], done["payment_url"]) == ("confirmed", session, None)


LONG = b" " * MOST_ANSWER_BYTES
SESSION, PAGE = {"payment_session_id": "s"}, {"payment_url": "https://pay.example.com/s"}
UNUSABLE = {
    "silent": silence,
    "broken": answer({}, 500),
    "busy": answer({}, 429),
    "a redirect": answer({}, 307, location="/elsewhere"),
    "of no JSON": answer(b"<html>"),
    "nested": answer(b"[" * 10_000),
    "a list": answer([SESSION | PAGE]),
    "one byte too long": answer(LONG),
    "compressed": answer(b"\x1f\x8b", 200, **{"content-encoding": "gzip"}),
    "without a session": answer(PAGE),
    "without a page": answer(SESSION),
    "with a plain page": answer(SESSION | {"payment_url": "http://pay.example.com/s"}),
    "with a script": answer(SESSION | {"payment_url": "javascript:alert(1)"}),
    "with a page in two lines": answer(SESSION | {"payment_url": "https://pay.example.com/\nx"}),
    "with a user": answer(SESSION | {"payment_url": "https://bank.example.com@pay.example.org/"}),
    "with a long page": answer(SESSION | {"payment_url": "https://pay.example.com/" + "x" * 2048}),
    "with a long session": answer(PAGE | {"payment_session_id": "x" * 256}),
    "with a number": answer(PAGE | {"payment_session_id": 5}),
}


@pytest.mark.parametrize("first", UNUSABLE.values(), ids=UNUSABLE)
async def test_an_answer_that_cannot_be_used_is_asked_for_again(
    people: People, service: Rest, student: Rest, engine: FakeEngine, first: Answer
) -> None:
    engine.answers.append(first)
    made = await service.book(await people.tutor(), lesson_time(), student_uuid=str(student.id), payment_engine="acme")
    assert made["payment_url"].startswith("https://pay.example.com/session_")
    assert [asked["request_id"] for asked in engine.asked] == [engine.asked[0]["request_id"]] * 2


async def test_an_engine_that_stays_away_is_503_and_what_was_held_ends_with_its_hold(
    people: People, service: Rest, student: Rest, engine: FakeEngine
) -> None:
    engine.answers += [answer({}, 503)] * 50
    body = order(student.id, await people.tutor(), lesson_time(), payment_engine="acme")
    assert await service.refused("POST", BOOKINGS, body) == (503, "PAYMENT_PROVIDER_UNAVAILABLE")
    ask = "select id::text, booking_id::text from saga where student_id = $1"
    (saga,) = await people.world.sql("payment", ask, student.id)
    await people.let_the_hold_end(saga["id"], grace_too=True)
    before = len(engine.asked)
    await people.until_state(saga["id"], "EXPIRED")
    assert len(engine.asked) <= before + 3  # a run that was under way; what is undone asks for nothing
    rows = await people.world.sql(
        "payment", "select status from callback_payment where saga_id = $1::uuid", UUID(saga["id"])
    )
    assert [row["status"] for row in rows] == ["canceled"]


@pytest.mark.parametrize("status", [400, 402, 422])
async def test_an_engine_that_refuses_ends_the_booking(
    people: People, service: Rest, student: Rest, engine: FakeEngine, status: int
) -> None:
    engine.answers.append(answer({"error": "no"}, status))
    body = order(student.id, await people.tutor(), lesson_time(), payment_engine="acme")
    refused = await service.ask("POST", BOOKINGS, body)
    told = refused.json()
    assert (refused.status_code, told["error"]["code"]) == (409, "PAYMENT_REFUSED")
    assert len(engine.asked) == 1
    seen = await wait_until(
        lambda: service.data("GET", f"{BOOKINGS}/{told['data']['uuid']}"),
        lambda row: row["status"] != "payment_required",
    )
    assert seen["status"] == "payment_failed"


async def test_no_transaction_is_open_while_an_engine_is_asked(
    people: People, service: Rest, student: Rest, engine: FakeEngine
) -> None:
    open_now = list[Any]()

    async def look(_: Any) -> Any:
        ask = """select state from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%'"""
        open_now.extend(await people.world.sql("payment", ask))
        return await answer(SESSION | PAGE)(_)

    engine.answers.append(look)
    await service.book(await people.tutor(), lesson_time(), student_uuid=str(student.id), payment_engine="acme")
    assert (len(engine.asked), open_now) == (1, [])


async def test_an_enrollment_can_be_paid_through_another_engine(people: People, engine: FakeEngine) -> None:
    course, student = await people.course(), uuid4()
    with pytest.raises(Refusal) as refused:
        await enroll(people, course.id, student, payment_engine_name="acme")
    assert (refused.value.reason, refused.value.field) == ("FORBIDDEN", "payment_engine")
    order = payment_pb2.EnrollInCourseRequest(student_id=str(student), course_id=course.id, payment_engine_name="acme")
    payments = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("service"))
    made = await payments.EnrollInCourse(order, timeout=10)
    (asked,) = engine.asked
    assert (asked["enrollment_uuid"], asked.get("booking_uuid")) == (made.enrollment_id, None)
    told = await payments.GetPayment(payment_pb2.GetPaymentRequest(payment_id=made.payment_id), timeout=5)
    assert told.payment.payment_url == f"https://pay.example.com/{told.payment.payment_session_id}"
    paid = payment_pb2.HandlePaymentCallbackRequest(
        booking_id=made.enrollment_id,
        payment_reference=made.enrollment_id,
        payment_status=payment_pb2.CALLBACK_STATUS_SUCCEEDED,
        payment_engine_name="acme",
    )
    await payments.HandlePaymentCallback(paid, timeout=10)
    await people.until_state(made.saga_id, "COMPLETED")
    other = payment_pb2.EnrollInCourseRequest(
        student_id=str(uuid4()), course_id=course.id, payment_engine_name="barter"
    )
    with pytest.raises(Refusal, match="no such engine"):
        await payments.EnrollInCourse(other, timeout=10)
