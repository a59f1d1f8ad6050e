"""What lies beside a golden saga's rows: made by the other services' own calls, under the ids that the rows name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from mesh import clock
from tests.golden.rows import Golden, put
from tests.people import WEEK, People, lesson_time
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1 import booking_pb2
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1 import learning_pb2
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.session.v1 import session_pb2
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub


async def lay_out(people: People, golden: Golden) -> None:
    """Put a golden saga into a mesh: its rows, and around them the provider's intent and the other services' rows."""
    intent = await _intent(people, golden)
    rows = golden.filled(intent.get("id", ""), intent.get("client_secret", ""))
    await (_publish_course if golden.purchase.get("course_id") else _publish)(people, rows["saga"][0])
    for call in golden.calls:
        await CALLS[call](people, rows["saga"][0])
    await put(people.world, rows)


async def _intent(people: People, golden: Golden) -> dict[str, Any]:
    purchase = golden.purchase
    if "create" not in golden.intent:
        return {}
    course = purchase.get("course_id")
    names = {"paymentId": "payment_id", "sagaId": "id", "contextId": "course_id" if course else "session_id"}
    metadata = {f"metadata[{name}]": purchase[column] for name, column in names.items()}
    price = purchase["context"]["price"]
    money = {"amount": price["amount_minor"], "currency": price["currency"].lower(), "payment_method_types[]": "card"}
    await people.webhooks("drop")
    context = "COURSE_ENROLLMENT" if course else "SESSION_BOOKING"
    made = await people.create_intent(**money, **metadata, **{"metadata[paymentContext]": context})
    for what in golden.intent[1:]:
        await INTENT[what](people, made["id"], purchase)
    await people.webhooks("normal")
    return made


async def _decline(people: People, intent: str, purchase: dict[str, Any]) -> None:
    await people.pay(intent, "pm_card_chargeDeclined")


async def _update(people: People, intent: str, purchase: dict[str, Any]) -> None:
    await people.update_intent(intent, amount=4000)


INTENT = {
    "pay": lambda people, intent, purchase: people.pay(intent),
    "cancel": lambda people, intent, purchase: people.cancel_intent(intent),
    "decline": _decline,
    "update": _update,
}


async def _publish(people: People, row: dict[str, Any]) -> None:
    windows = [
        availability_pb2.WeeklyWindow(
            weekday=availability_pb2.Weekday.Value(f"WEEKDAY_{day}"), start="00:00", end="24:00"
        )
        for day in WEEK
    ]
    request = availability_pb2.PublishAvailabilityRequest(tutor_id=row["tutor_id"], timezone="UTC", weekly=windows)
    request.rate.amount_minor, request.rate.currency = 5000, "USD"
    await people.stub(AvailabilityServiceStub, "availability", "bff").PublishAvailability(request, timeout=5)


async def _publish_course(people: People, row: dict[str, Any]) -> None:
    """Its instructor may not be known to the row yet."""
    await people.course(course_id=row["course_id"], instructor_id=row["tutor_id"] or str(uuid4()))


def _payment(people: People, kind: Any, name: str) -> Any:
    return people.stub(kind, name, "payment")


async def _hold(people: People, row: dict[str, Any]) -> str:
    """The claim, which the row names as its predecessor did where that had got so far."""
    request = availability_pb2.HoldSlotRequest(
        saga_id=row["id"], tutor_id=row["tutor_id"], student_id=row["student_id"], duration_minutes=row["minutes"],
        start=clock.to_proto(lesson_time()),
    )  # fmt: skip
    held = await _payment(people, AvailabilityServiceStub, "availability").HoldSlot(request, timeout=5)
    if "block_id" in row["context"]:
        row["context"]["block_id"] = held.availability_block_id
    return str(held.availability_block_id)


async def _create_booking(people: People, row: dict[str, Any]) -> None:
    start, context = lesson_time(), row["context"]
    request = booking_pb2.CreateBookingRequest(
        booking_id=row["booking_id"], saga_id=row["id"], tutor_id=row["tutor_id"], student_id=row["student_id"],
        start_time=clock.to_proto(start), end_time=clock.to_proto(start + timedelta(minutes=row["minutes"])),
        hold_expires_at=clock.to_proto(clock.now() + timedelta(minutes=30)),
        availability_block_id=await _hold(people, row),
        session_id=row["session_id"], payment_id=row["payment_id"],
    )  # fmt: skip
    price = context.get("price") or {"amount_minor": 5000, "currency": "USD"}
    request.price.amount_minor, request.price.currency = price["amount_minor"], price["currency"]
    await _payment(people, BookingServiceStub, "booking").CreateBooking(request, timeout=5)


async def _confirm_slot(people: People, row: dict[str, Any]) -> None:
    request = availability_pb2.ConfirmSlotRequest(saga_id=row["id"])
    await _payment(people, AvailabilityServiceStub, "availability").ConfirmSlot(request, timeout=5)


async def _release_slot(people: People, row: dict[str, Any]) -> None:
    request = availability_pb2.ReleaseSlotRequest(saga_id=row["id"])
    await _payment(people, AvailabilityServiceStub, "availability").ReleaseSlot(request, timeout=5)


async def _create_session(people: People, row: dict[str, Any]) -> None:
    request = session_pb2.CreateConfirmedSessionRequest(
        session_id=row["session_id"], saga_id=row["id"], booking_id=row["booking_id"], tutor_id=row["tutor_id"],
        student_id=row["student_id"], scheduled_at=clock.to_proto(lesson_time()), duration_minutes=row["minutes"],
    )  # fmt: skip
    await _payment(people, SessionServiceStub, "session").CreateConfirmedSession(request, timeout=5)


async def _confirm_booking(people: People, row: dict[str, Any]) -> None:
    request = booking_pb2.ConfirmBookingRequest(booking_id=row["booking_id"], saga_id=row["id"])
    await _payment(people, BookingServiceStub, "booking").ConfirmBooking(request, timeout=5)


async def _hold_seat(people: People, row: dict[str, Any]) -> None:
    request = learning_pb2.HoldSeatRequest(
        saga_id=row["id"], enrollment_id=row["booking_id"], course_id=row["course_id"], student_id=row["student_id"],
        payment_id=row["payment_id"],
    )  # fmt: skip
    await _payment(people, LearningServiceStub, "learning").HoldSeat(request, timeout=5)


async def _activate(people: People, row: dict[str, Any]) -> None:
    request = learning_pb2.CreateEnrollmentRecordRequest(enrollment_id=row["booking_id"], saga_id=row["id"])
    await _payment(people, LearningServiceStub, "learning").CreateEnrollmentRecord(request, timeout=5)


async def _end_enrollment(people: People, row: dict[str, Any]) -> None:
    request = learning_pb2.EndEnrollmentRequest(
        enrollment_id=row["booking_id"], saga_id=row["id"], status=learning_pb2.ENROLLMENT_STATUS_EXPIRED
    )
    await _payment(people, LearningServiceStub, "learning").EndEnrollment(request, timeout=5)


async def _end_booking(people: People, row: dict[str, Any]) -> None:
    request = booking_pb2.EndBookingRequest(
        booking_id=row["booking_id"], saga_id=row["id"], status=booking_pb2.BOOKING_STATUS_CANCELLED
    )
    await _payment(people, BookingServiceStub, "booking").EndBooking(request, timeout=5)


CALLS = {
    "HoldSeat": _hold_seat, "CreateEnrollmentRecord": _activate, "EndEnrollment": _end_enrollment,
    "HoldSlot": _hold, "CreateBooking": _create_booking, "ConfirmSlot": _confirm_slot, "ReleaseSlot": _release_slot,
    "CreateConfirmedSession": _create_session, "ConfirmBooking": _confirm_booking,
    "EndBooking": _end_booking,
}  # fmt: skip
