"""What people and Stripe do in a test, in the words of the scenarios."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import grpc
import httpx
from stripe import WebhookSignature

from mesh.channels import connect
from tests.world import WEBHOOK_SECRET, World
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1 import booking_pb2
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub
from tutormesh.payment.v1.saga_pb2_grpc import SagaServiceStub
from tutormesh.session.v1 import session_pb2
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub

T = TypeVar("T")
SECONDS = 15.0
WEEK = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


def lesson_time(days: int = 3, hour: int = 10, minute: int = 0) -> datetime:
    """A whole minute some days from now, UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


async def wait_until(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], bool], seconds: float = SECONDS) -> T:
    """The first answer that is so; fails at the deadline with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await ask()
        if is_so(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds} s: {answer}")
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Booked:
    """A booking that somebody made, by its ids."""

    booking: str
    saga: str
    session: str
    payment: str
    intent: str
    student: UUID
    tutor: UUID


class Patient:
    """A stub whose calls wait for their server, within their deadline: one that was killed may be on its way back."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._stub, name), wait_for_ready=True)


@dataclass
class People:
    """Acts on a world over gRPC (as the bff would), over HTTP at the sandbox, and looks into databases."""

    world: World
    http: httpx.AsyncClient
    channels: dict[tuple[str, str, str | None], grpc.aio.Channel]

    def stub(self, kind: Callable[[grpc.aio.Channel], Any], name: str, service: str, person: str | None = None) -> Any:
        key = (name, service, person)
        if key not in self.channels:
            self.channels[key] = connect(f"127.0.0.1:{self.world.ports[name]}", self.world.credentials(service, person))
        return Patient(kind(self.channels[key]))

    async def tutor(
        self,
        rate: int = 5000,
        currency: str = "USD",
        *,
        tutor: UUID | None = None,
        start: str = "00:00",
        end: str = "24:00",
        **changes: Any,
    ) -> UUID:
        """A new tutor who works every day, around the clock and in UTC unless another time or zone is given."""
        tutor = tutor or uuid4()
        request = availability_pb2.PublishAvailabilityRequest(
            tutor_id=str(tutor),
            weekly=[
                availability_pb2.WeeklyWindow(
                    weekday=availability_pb2.Weekday.Value(f"WEEKDAY_{day}"), start=start, end=end
                )
                for day in WEEK
            ],
            **{"timezone": "UTC", **changes},
        )
        request.rate.amount_minor, request.rate.currency = rate, currency
        await self.stub(AvailabilityServiceStub, "availability", "bff").PublishAvailability(request, timeout=5)
        return tutor

    async def course(
        self, price: int = 5000, currency: str = "USD", *, seats: int = 0, published: bool = True, **named: Any
    ) -> learning_pb2.Course:
        """A course of a new instructor's; `seats` 0 is no limit."""
        stub = self.stub(LearningServiceStub, "learning", "bff")
        request = learning_pb2.CreateCourseRequest(
            **{"title": "Fractions", "instructor_id": str(uuid4()), "seats": seats, **named},
            price=Money(amount_minor=price, currency=currency),
        )
        made = (await stub.CreateCourse(request, timeout=5)).course
        if not published:
            return made
        return (await stub.PublishCourse(learning_pb2.PublishCourseRequest(course_id=made.id), timeout=5)).course

    async def seats_taken(self, course_id: str) -> int:
        """As the course counts them, after looking that its enrollments say the same."""
        ask = """select seats_taken, (select count(*) from enrollment where course_id = course.id and holds_seat) as held
                 from course where id = $1"""
        (row,) = await self.world.sql("learning", ask, UUID(course_id))
        assert row["seats_taken"] == row["held"]
        return int(row["held"])

    async def enrollment(self, enrollment_id: str) -> learning_pb2.Enrollment:
        stub = self.stub(LearningServiceStub, "learning", "ops")
        request = learning_pb2.GetEnrollmentRequest(enrollment_id=enrollment_id)
        return (await stub.GetEnrollment(request, timeout=5)).enrollment

    async def book(
        self,
        tutor: UUID,
        start: datetime,
        student: UUID | None = None,
        *,
        minutes: int = 60,
        timeout: float = 8,
        **more: Any,
    ) -> payment_pb2.BookSessionResponse:
        """Book as the bff does for a student; raises the refusal."""
        student = student or uuid4()
        request = payment_pb2.BookSessionRequest(
            student_id=str(student), tutor_id=str(tutor), duration_minutes=minutes, **more
        )
        request.start_time.FromDatetime(start)
        person = self.world.token("student", subject=student)
        return await self.stub(PaymentServiceStub, "payment", "bff", person).BookSession(request, timeout=timeout)

    async def booked(self, tutor: UUID, start: datetime, **more: Any) -> Booked:
        """A booking of a new student."""
        student = uuid4()
        made = await self.book(tutor, start, student, **more)
        return Booked(
            made.booking_id, made.saga_id, made.session_id, made.payment_id, made.payment_intent_id, student, tutor
        )

    async def cancel(
        self, booked: Booked, who: UUID | None = None, role: str = "student", quote_token: str = ""
    ) -> payment_pb2.CancelBookingResponse:
        """Cancel as the student, or as somebody else."""
        stub = self.stub(PaymentServiceStub, "payment", "bff", self.world.token(role, subject=who or booked.student))
        request = payment_pb2.CancelBookingRequest(booking_id=booked.booking, quote_token=quote_token)
        return await stub.CancelBooking(request, timeout=8)

    async def quote(self, booked: Booked, who: UUID | None = None) -> payment_pb2.QuoteCancellationResponse:
        stub = self.stub(
            PaymentServiceStub, "payment", "bff", self.world.token("student", subject=who or booked.student)
        )
        return await stub.QuoteCancellation(payment_pb2.QuoteCancellationRequest(booking_id=booked.booking), timeout=8)

    async def refund_rows(self, booked: Booked) -> list[Any]:
        """Our rows of the refunds of a booking's intent."""
        ask = "select status, amount_minor, reason from refund where payment_intent_id = $1 order by created_at, id"
        return await self.world.sql("payment", ask, booked.intent)

    async def let_the_lesson_begin_in(self, booked: Booked, hours: int) -> None:
        """Let time pass for the policy: so many hours are left, whatever the time of the day is. -1: it has begun."""
        await self.world.sql(
            "payment",
            "update saga set time_slot = date_trunc('minute', clock_timestamp() + $2::interval) where id = $1",
            UUID(booked.saga),
            timedelta(hours=hours),
        )

    async def refund_by_hand(self, intent: str, amount: int) -> None:
        (await self._stripe("POST", "/v1/refunds", {"payment_intent": intent, "amount": amount})).raise_for_status()

    async def dispute(self, intent: str) -> str:
        answer = await self.http.post(f"{self.world.sandbox_url}/_sandbox/disputes", json={"payment_intent": intent})
        return str(answer.raise_for_status().json()["id"])

    async def close_dispute(self, dispute: str, status: str) -> None:
        url = f"{self.world.sandbox_url}/_sandbox/disputes/{dispute}"
        (await self.http.post(url, json={"status": status})).raise_for_status()

    async def resolve(self, saga_id: str, state: str) -> None:
        request = saga_pb2.ResolveSagaRequest(saga_id=saga_id, state=state, note="settled by hand")
        await self.operator.ResolveSaga(request, timeout=10)

    async def at_rest(self) -> None:
        """Until no saga is under way and no event waits."""
        busy = """
            select kind, id::text, state, error::text from saga where wake_at is not null and state <> 'AWAITING_PAYMENT'
            union all
            select type, id, status, error from stripe_event where status in ('NEWS', 'INBOX')
        """
        await wait_until(lambda: self.world.sql("payment", busy), lambda rows: not rows)

    async def pay(self, intent: str, method: str = "pm_card_visa") -> httpx.Response:
        return await self._stripe("POST", f"/v1/payment_intents/{intent}/confirm", {"payment_method": method})

    async def intent(self, intent: str) -> dict[str, Any]:
        (found,) = self._held("payment_intent", "id = ?", intent)
        return found

    async def authenticate(self, intent: str) -> None:
        (await self._stripe("POST", f"/v1/payment_intents/{intent}/_authenticate")).raise_for_status()

    async def create_intent(self, **params: Any) -> dict[str, Any]:
        return dict((await self._stripe("POST", "/v1/payment_intents", params)).json())

    async def _stripe(self, method: str, path: str, form: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Authorization": "Bearer sk_test_sandbox"}
        return await self.http.request(method, self.world.sandbox_url + path, data=form, headers=headers)

    async def fault(self, path: str, fault: str, times: int = 1, method: str = "POST") -> None:
        body = {"method": method, "path": path, "fault": fault, "times": times}
        (await self.http.post(f"{self.world.sandbox_url}/_sandbox/faults", json=body)).raise_for_status()

    async def no_faults(self) -> None:
        (await self.http.delete(f"{self.world.sandbox_url}/_sandbox/faults")).raise_for_status()

    async def webhooks(self, mode: str, delay_ms: int = 0) -> None:
        body = {"mode": mode, "delay_ms": delay_ms}
        (await self.http.post(f"{self.world.sandbox_url}/_sandbox/webhooks", json=body)).raise_for_status()

    async def redeliver(self, event: str) -> None:
        (
            await self.http.post(f"{self.world.sandbox_url}/_sandbox/webhooks/redeliver", json={"event": event})
        ).raise_for_status()

    async def stripe_state(self) -> dict[str, Any]:
        return dict((await self.http.get(f"{self.world.sandbox_url}/_sandbox/state")).json())

    async def intents_of(self, saga_id: str) -> list[dict[str, Any]]:
        return self._held("payment_intent", "json_extract(body, '$.metadata.sagaId') = ?", saga_id)

    async def refunds_of(self, intent: str) -> list[dict[str, Any]]:
        return self._held("refund", "payment_intent = ?", intent)

    def _held(self, kind: str, where: str, *values: Any) -> list[dict[str, Any]]:
        """What Stripe has, oldest first."""
        return self.world.provider.select(f"kind = ? and {where}", (kind, *values), newest=False)

    async def our_refunds_of(self, intent: str) -> list[Any]:
        """Our rows of an intent's refunds that have not failed."""
        ask = "select amount_minor, status from refund where payment_intent_id = $1 and status <> 'FAILED'"
        return await self.world.sql("payment", ask, intent)

    async def failed_charges(self, intent: str) -> list[str]:
        charges = self._held("charge", "payment_intent = ?", intent)
        return [charge["id"] for charge in charges if charge["status"] == "failed"]

    async def stray_of(self, saga_id: str) -> dict[str, Any]:
        """A second intent that carries a saga's id."""
        return await self.create_intent(amount=5000, currency="usd", **{"metadata[sagaId]": saga_id})

    async def deliver_all(self, intent: str, kind: str, receive: Callable[[bytes, str], Awaitable[None]]) -> None:
        """Every event of a kind about an intent, straight to a webhook use case."""
        for event in reversed(self._events(intent, kind)):
            body = json.dumps(event)
            await receive(body.encode(), WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET))

    def _events(self, intent: str, kind: str, limit: int = -1) -> list[dict[str, Any]]:
        """Stripe's events of a kind about an intent, newest first."""
        about = "? in (json_extract(body, '$.data.object.id'), json_extract(body, '$.data.object.payment_intent'))"
        where = f"kind = 'event' and type = ? and {about}"
        return self.world.provider.select(where, (kind, intent), limit=limit)

    async def nothing_open(self, student: UUID) -> bool:
        """True when no saga of this student is under way and no event of theirs waits."""
        ask = """
            select 1 from saga s where student_id = $1 and (wake_at is not null or exists (
                select 1 from stripe_event e where e.saga_id = s.id and status in ('NEWS', 'INBOX', 'PARKED')))
        """
        return not await self.world.sql("payment", ask, student)

    async def saga_row(self, student: UUID) -> list[dict[str, Any]]:
        """A student's sagas, for the words of a failure."""
        ask = "select kind, state, fence, attempt, news, error::text, wake_at, lease_owner from saga where student_id = $1"
        return [dict(row) for row in await self.world.sql("payment", ask, student)]

    async def event(self, intent: str, kind: str) -> dict[str, Any]:
        """Stripe's newest event of a kind about an intent."""
        return self._events(intent, kind, limit=1)[0]

    async def cancel_intent(self, intent: str) -> None:
        (await self._stripe("POST", f"/v1/payment_intents/{intent}/cancel")).raise_for_status()

    async def update_intent(self, intent: str, **params: Any) -> None:
        (await self._stripe("POST", f"/v1/payment_intents/{intent}", params)).raise_for_status()

    async def forget_keys(self) -> None:
        """Stripe keeps idempotency keys about a day."""
        (await self.http.post(f"{self.world.sandbox_url}/_sandbox/forget_keys")).raise_for_status()

    async def settle_refund(self, refund: str, status: str) -> None:
        url = f"{self.world.sandbox_url}/_sandbox/refunds/{refund}"
        (await self.http.post(url, json={"status": status})).raise_for_status()

    async def send_event(self, event: dict[str, Any]) -> int:
        """Bring an event to the door as Stripe does: the status it gets."""
        body = json.dumps(event)
        return await self.post_webhook(body, WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET))

    async def post_webhook(self, body: str, signature: str) -> int:
        headers = {"Stripe-Signature": signature} if signature else {}
        url = f"{self.world.bff_url}/webhooks/stripe"
        return (await self.http.post(url, content=body.encode(), headers=headers)).status_code

    async def booking(self, booking_id: str) -> booking_pb2.Booking:
        stub = self.stub(BookingServiceStub, "booking", "ops")
        return (await stub.GetBooking(booking_pb2.GetBookingRequest(booking_id=booking_id), timeout=5)).booking

    async def session(self, session_id: str) -> session_pb2.Session:
        stub = self.stub(SessionServiceStub, "session", "ops")
        return (await stub.GetSession(session_pb2.GetSessionRequest(session_id=session_id), timeout=5)).session

    async def payment(self, payment_id: str) -> payment_pb2.Payment:
        stub = self.stub(PaymentServiceStub, "payment", "ops")
        return (await stub.GetPayment(payment_pb2.GetPaymentRequest(payment_id=payment_id), timeout=5)).payment

    async def saga(self, saga_id: str) -> saga_pb2.Saga:
        stub = self.stub(SagaServiceStub, "payment", "ops")
        return (await stub.GetSaga(saga_pb2.GetSagaRequest(saga_id=saga_id), timeout=5)).saga

    @property
    def operator(self) -> Any:
        return self.stub(SagaServiceStub, "payment", "ops")

    async def state(self, saga_id: str) -> str:
        """The saga's state, straight from its row: it can be asked while payment_svc is dead."""
        rows = await self.world.sql("payment", "select state from saga where id = $1", UUID(saga_id))
        return str(rows[0]["state"])

    async def until_event(self, saga_id: str, event: str) -> None:
        """Until the saga has told of this event."""
        ask = "select 1 from saga_event where saga_id = $1 and event = $2"
        await wait_until(lambda: self.world.sql("payment", ask, UUID(saga_id), event), bool)

    async def inbox_of(self, saga_id: str) -> list[Any]:
        """The stored events of a saga that its own moves did not take."""
        ask = """select status, wake_at > clock_timestamp() + interval '0.5 seconds' as wake_later
                 from stripe_event where saga_id = $1 and (status <> 'DONE' or attempt > 0)"""
        return await self.world.sql("payment", ask, UUID(saga_id))

    async def hurry_the_inbox(self, saga_id: str) -> None:
        """Let no time pass before the next try."""
        await self.world.sql(
            "payment",
            "update stripe_event set wake_at = clock_timestamp() where saga_id = $1 and status = 'INBOX'",
            UUID(saga_id),
        )
        for replica in self.world.replicas:
            replica.app.inbox.look_now()

    async def retry(self, saga_id: str) -> None:
        await self.operator.RetrySaga(saga_pb2.RetrySagaRequest(saga_id=saga_id), timeout=10)

    async def reconcile(self) -> None:
        """The operator's whole round."""
        await self.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)

    async def until_state(self, saga_id: str, *states: str, seconds: float = SECONDS) -> str:
        return await wait_until(lambda: self.state(saga_id), lambda state: state in states, seconds)

    async def until_backing_off(self, saga_id: str) -> None:
        """Until the saga sleeps after a failed attempt."""
        ask = "select 1 from saga where id = $1 and attempt > 0 and lease_until is null"
        await wait_until(lambda: self.world.sql("payment", ask, UUID(saga_id)), bool)

    async def claims(self, saga_id: str) -> list[str]:
        """The states of a saga's claims on calendars."""
        rows = await self.world.sql("availability", "select state from claim where saga_id = $1", UUID(saga_id))
        return sorted(row["state"] for row in rows)

    async def let_the_hold_end(self, saga_id: str, *, grace_too: bool = False) -> None:
        """Move the hold's end into the past, in both services' databases."""
        ago = timedelta(hours=1) if grace_too else timedelta(seconds=1)
        for table in ("claim", "hold"):
            await self.world.sql(
                "availability",
                f"update {table} set expires_at = clock_timestamp() - $2::interval where saga_id = $1",
                UUID(saga_id),
                ago,
            )
        await self.world.sql(
            "payment",
            "update saga set hold_ends = clock_timestamp() - $2::interval, wake_at = clock_timestamp() where id = $1",
            UUID(saga_id),
            ago,
        )
