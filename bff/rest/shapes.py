"""The objects in REST's answers. Each property is declared once: its name, its JSON Schema, and its value.

Names are REST's own, statuses are in lower case, amounts are decimal text, and times are in UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bff.rest.json_schema import (
    AMOUNT,
    CURRENCY,
    MINUTES,
    REFUND_STATE,
    STATUS,
    TIME,
    TIME_OF_DAY,
    UUID,
    WEEKDAY,
    Schema,
    list_of,
    nullable,
    record,
)
from bff.times import format_optional_time, format_time
from mesh.money import Money
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

T = TypeVar("T")
Shape = dict[str, Any]
#: How the ids of Stripe's intents begin. Our page to pay on takes no other payment.
STRIPES = "pi_"


@dataclass(frozen=True, slots=True)
class Property(Generic[T]):
    """A property of an object made from a T."""

    name: str
    schema: Schema
    value: Callable[[T], object]


def to_json(properties: Iterable[Property[T]], source: T) -> Shape:
    """The object with these properties."""
    return {property.name: property.value(source) for property in properties}


def schemas(properties: Iterable[Property[T]]) -> dict[str, Schema]:
    """The JSON Schemas of these properties, by name."""
    return {property.name: property.schema for property in properties}


class Purchase(ABC):
    """Something with a price, and its payment: there is none when it is free, or when its payment was never opened."""

    payment: payment_pb2.Payment | None

    @property
    @abstractmethod
    def price(self) -> money_pb2.Money: ...

    @property
    def refunded(self) -> money_pb2.Money:
        return self.payment.refunded if self.payment and self.payment.HasField("refunded") else self._nothing

    @property
    def refund_pending(self) -> money_pb2.Money:
        payment = self.payment
        return payment.refund_pending if payment and payment.HasField("refund_pending") else self._nothing

    @property
    def refund_state(self) -> str:
        """REFUND_STATE_NEEDS_REVIEW → needs_review."""
        number = self.payment.refund_state if self.payment else payment_pb2.REFUND_STATE_NONE
        told = payment_pb2.RefundState.Name(number or payment_pb2.REFUND_STATE_NONE)
        return told.removeprefix("REFUND_STATE_").lower()

    @property
    def payment_session_id(self) -> str | None:
        """A payment service of the version before tells the intent alone."""
        payment = self.payment
        return (payment.payment_session_id or payment.stripe_payment_intent_id or None) if payment else None

    @property
    def payment_url(self) -> str | None:
        """Where it is paid: the provider's own page, else ours when it is paid through Stripe."""
        payment = self.payment
        if payment is None:
            return None
        ours = payment.checkout_url if payment.stripe_payment_intent_id.startswith(STRIPES) else ""
        return payment.payment_url or ours or None

    @property
    def _nothing(self) -> money_pb2.Money:
        return money_pb2.Money(amount_minor=0, currency=self.price.currency)


@dataclass(frozen=True)
class Sold(Purchase):
    """A booking, its payment and its lesson. There is no lesson before it is confirmed."""

    booking: booking_pb2.Booking
    payment: payment_pb2.Payment | None
    session: session_pb2.Session | None

    @property
    def price(self) -> money_pb2.Money:
        return self.booking.price


def status_name(number: booking_pb2.BookingStatus.ValueType) -> str:
    """BOOKING_STATUS_PAYMENT_REQUIRED → payment_required."""
    return booking_pb2.BookingStatus.Name(number).removeprefix("BOOKING_STATUS_").lower()


def weekday_name(number: availability_pb2.Weekday.ValueType) -> str:
    """WEEKDAY_MONDAY → monday."""
    return availability_pb2.Weekday.Name(number).removeprefix("WEEKDAY_").lower()


def amount(value: money_pb2.Money) -> str:
    """ "50.00", "2000", "1.250"."""
    return Money(value.amount_minor, value.currency).decimal


INTENT: Schema = {
    "type": "string",
    "description": "The PaymentIntent; for another provider its own session, or cb_…; null when nothing is to be paid.",
}
PAYMENT_URL: Schema = {
    "type": "string",
    "format": "uri",
    "description": "Where it is paid: the provider's page, or ours for Stripe. Its student and services see it until then.",
}

#: A booking for its student, its tutor and services: without the secret that pays for it.
BOOKING: tuple[Property[Sold], ...] = (
    Property("uuid", UUID, lambda sold: sold.booking.id),
    Property("status", STATUS, lambda sold: status_name(sold.booking.status)),
    Property("student_uuid", UUID, lambda sold: sold.booking.student_id),
    Property("instructor_uuid", UUID, lambda sold: sold.booking.tutor_id),
    Property("course_uuid", nullable(UUID), lambda sold: sold.booking.course_id or None),
    Property("start_time", TIME, lambda sold: format_time(sold.booking.start_time)),
    Property("end_time", TIME, lambda sold: format_time(sold.booking.end_time)),
    Property("price_amount", AMOUNT, lambda sold: amount(sold.booking.price)),
    Property("currency", CURRENCY, lambda sold: sold.booking.price.currency),
    Property("purpose", nullable({"type": "string"}), lambda sold: sold.booking.purpose or None),
    Property(
        "payment_session_id",
        nullable(INTENT),
        lambda sold: sold.payment_session_id,
    ),
    Property(
        "payment_url",
        nullable(PAYMENT_URL),
        lambda sold: sold.payment_url,
    ),
    Property(
        "refunded_amount",
        AMOUNT | {"description": "What is back."},
        lambda sold: amount(sold.refunded),
    ),
    Property(
        "refund_pending_amount",
        AMOUNT | {"description": "What is on its way back."},
        lambda sold: amount(sold.refund_pending),
    ),
    Property("refund_state", REFUND_STATE, lambda sold: sold.refund_state),
    Property("availability_block_uuid", nullable(UUID), lambda sold: sold.booking.availability_block_id or None),
    Property("hold_expires_at", nullable(TIME), lambda sold: format_optional_time(sold.booking, "hold_expires_at")),
    Property(
        "meeting_link",
        nullable({"type": "string", "format": "uri", "description": "Where a confirmed lesson is held."}),
        lambda sold: (sold.session.meeting_link or None) if sold.session else None,
    ),
    Property("created_at", TIME, lambda sold: format_time(sold.booking.created_at)),
)
BLOCK: tuple[Property[availability_pb2.Block], ...] = (
    Property("uuid", UUID, lambda block: block.id),
    Property("start_time", TIME, lambda block: format_time(block.start)),
    Property("end_time", TIME, lambda block: format_time(block.end)),
)
LISTED_BLOCK: tuple[Property[availability_pb2.Block], ...] = (
    *BLOCK,
    Property("reason", nullable({"type": "string"}), lambda block: block.reason or None),
)
WINDOW: tuple[Property[availability_pb2.WeeklyWindow], ...] = (
    Property("weekday", WEEKDAY, lambda window: weekday_name(window.weekday)),
    Property("start", TIME_OF_DAY, lambda window: window.start),
    Property("end", TIME_OF_DAY, lambda window: window.end),
)
SCHEDULE: tuple[Property[availability_pb2.Schedule], ...] = (
    Property("instructor_uuid", UUID, lambda schedule: schedule.tutor_id),
    Property("display_name", nullable({"type": "string"}), lambda schedule: schedule.display_name or None),
    Property("listed", {"type": "boolean"}, lambda schedule: schedule.listed or not schedule.HasField("listed")),
    Property("timezone", {"type": "string", "description": "An IANA zone."}, lambda schedule: schedule.timezone),
    Property(
        "weekly",
        list_of(record(schemas(WINDOW))),
        lambda schedule: [to_json(WINDOW, window) for window in schedule.weekly],
    ),
    Property("minimum_notice_minutes", MINUTES, lambda schedule: schedule.minimum_notice_minutes),
    Property("buffer_minutes", MINUTES, lambda schedule: schedule.buffer_minutes),
    Property("shortest_lesson_minutes", MINUTES, lambda schedule: schedule.shortest_lesson_minutes),
    Property("longest_lesson_minutes", MINUTES, lambda schedule: schedule.longest_lesson_minutes),
    Property("start_every_minutes", MINUTES, lambda schedule: schedule.start_every_minutes),
    Property("maximum_days_ahead", {"type": "integer"}, lambda schedule: schedule.maximum_days_ahead),
    Property("rate_amount", AMOUNT | {"description": "Of one hour."}, lambda schedule: amount(schedule.rate)),
    Property("currency", CURRENCY, lambda schedule: schedule.rate.currency),
)
SLOT: tuple[Property[availability_pb2.Slot], ...] = (
    Property("start_time", TIME, lambda slot: format_time(slot.start)),
    Property("end_time", TIME, lambda slot: format_time(slot.end)),
    Property("price_amount", AMOUNT, lambda slot: amount(slot.price)),
    Property("currency", CURRENCY, lambda slot: slot.price.currency),
)
#: A tutor who wants to be listed, for everybody.
TUTOR: tuple[Property[availability_pb2.ListedTutor], ...] = (
    Property("uuid", UUID, lambda tutor: tutor.tutor_id),
    Property("display_name", nullable({"type": "string"}), lambda tutor: tutor.display_name or None),
    Property("timezone", {"type": "string", "description": "An IANA zone."}, lambda tutor: tutor.timezone),
    Property("rate_amount", AMOUNT | {"description": "Of one hour."}, lambda tutor: amount(tutor.rate)),
    Property("currency", CURRENCY, lambda tutor: tutor.rate.currency),
    Property(
        "next_free_time",
        nullable(TIME | {"description": "Within 14 days, as of at most 30 seconds ago; null when there is none."}),
        lambda tutor: format_optional_time(tutor, "next_free_time"),
    ),
)
