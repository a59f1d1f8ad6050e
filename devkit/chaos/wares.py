"""What is for sale in a run, lessons and places in courses, and the words in which the edge sells each. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LESSON_PRICE, PLACE_PRICE = 5000, 9000


@dataclass(frozen=True, slots=True)
class Lesson:
    """An hour of a tutor's; `slot` counts half hours, `price` is in minor units."""

    tutor: int
    slot: int
    price: int = LESSON_PRICE


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a course of a tutor's, which has so many seats; `price` is in minor units, 0 is free."""

    course: int
    tutor: int
    seats: int
    price: int = PLACE_PRICE


Wish = Lesson | Place


@dataclass(frozen=True, slots=True)
class Ware:
    """How the edge sells one kind of thing.

    `noun` is also the field in which payloads show it, `live` its status while it is sold, `refusals` are those by a
    rule, and `offer` is the field that cancels it.
    """

    noun: str
    live: str
    buy: str
    cancel: str
    refusals: frozenset[str]
    offer: str


LESSON = Ware(
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
PLACE = Ware(
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
    refusals=frozenset({"COURSE_FULL", "ALREADY_ENROLLED"}),
    offer="cancelEnrollment",
)


def ware(wish: Wish) -> Ware:
    """How what is wished for is sold."""
    return PLACE if isinstance(wish, Place) else LESSON
