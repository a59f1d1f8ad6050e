"""What can be ordered in a run: lessons, and seats in courses; and how the edge sells each. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LESSON_PRICE, SEAT_PRICE = 5000, 9000


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson of one hour. `slot` counts half hours from the tutor's first lesson; `price` is in minor units."""

    tutor: int
    slot: int
    price: int = LESSON_PRICE


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat in a course that has `seats` of them. `price` is in minor units; 0 is free."""

    course: int
    tutor: int
    seats: int
    price: int = SEAT_PRICE


Order = Lesson | Seat


@dataclass(frozen=True, slots=True)
class Product:
    """How the edge sells one kind of thing.

    | field | meaning |
    |---|---|
    | `noun` | its name, and its field in a payload |
    | `live` | its status while it is sold |
    | `buy`, `cancel` | the mutations |
    | `refusals` | the legal reasons of a refusal |
    | `offer` | the name of the mutation that cancels it |
    """

    noun: str
    live: str
    buy: str
    cancel: str
    refusals: frozenset[str]
    offer: str


LESSON = Product(
    noun="booking",
    live="CONFIRMED",
    buy="""mutation ($tutor: ID!, $time: AWSDateTime!, $minutes: Int!, $key: String) {
  bookSession(tutorId: $tutor, time: $time, durationMinutes: $minutes, idempotencyKey: $key) {
    booking { id status } clientSecret paymentIntentId sagaId userErrors { code retryable }
  }
}""",
    cancel="""mutation ($id: ID!, $token: String) {
  cancelBooking(bookingId: $id, quoteToken: $token, reason: "chaos") {
    booking { id status } refund { amountMinor } userErrors { code retryable }
  }
}""",
    refusals=frozenset({"SLOT_TAKEN", "STUDENT_BUSY", "TOO_MANY_HOLDS"}),
    offer="cancelBooking",
)
SEAT = Product(
    noun="enrollment",
    live="ACTIVE",
    buy="""mutation ($course: ID!, $key: String) {
  enrollInCourse(courseId: $course, idempotencyKey: $key) {
    enrollment { id status } clientSecret paymentIntentId sagaId userErrors { code retryable }
  }
}""",
    cancel="""mutation ($id: ID!) {
  cancelEnrollment(enrollmentId: $id, reason: "chaos") {
    enrollment { id status } refund { amountMinor } userErrors { code retryable }
  }
}""",
    refusals=frozenset({"COURSE_FULL", "ALREADY_ENROLLED", "TOO_MANY_HOLDS"}),
    offer="cancelEnrollment",
)


def product_of(order: Order) -> Product:
    """The product that an order is for."""
    return SEAT if isinstance(order, Seat) else LESSON
