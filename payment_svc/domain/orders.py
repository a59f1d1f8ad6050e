"""What somebody wants to buy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mesh.money import Money
from payment_svc.domain.refusals import AmountMismatch


@dataclass(frozen=True, slots=True)
class AskedPrice:
    """A price that came with an order: decimal text and a currency, either of them empty when it was not named."""

    amount: str
    currency: str
    decides: bool  # a service's word is the price; a person's must equal the tutor's

    def settled(self, tutors: Money) -> Money:
        """The price, where the tutor asks this. Raises AmountMismatch."""
        currency = self.currency or tutors.currency
        if not self.amount:
            asked, is_the_price = tutors, currency == tutors.currency
        else:
            asked = self._in(currency)
            is_the_price = self.decides or asked == tutors
        if not is_the_price:
            raise AmountMismatch("the price is not the tutor's", field="price")
        return asked

    def _in(self, currency: str) -> Money:
        try:
            return Money.exactly(Decimal(self.amount), currency)
        except ValueError as error:  # of the tutor's currency: in one that was named, the request was refused before
            raise AmountMismatch(f"no such price: {error}", field="price") from None

    def kept(self) -> dict[str, Any]:
        """What the saga remembers of it."""
        return {"amount": self.amount, "currency": self.currency, "decides": self.decides}


@dataclass(frozen=True, slots=True)
class Order:
    """A lesson somebody wants to buy."""

    student_id: UUID
    tutor_id: UUID
    start: datetime
    minutes: int
    course_id: UUID | None
    purpose: str
    key: str
    price: AskedPrice | None = None
    payment_engine: str = ""  # empty: whichever the booking has; of a new one, Stripe


@dataclass(frozen=True, slots=True)
class CourseOrder:
    """A place in a course somebody wants to buy."""

    student_id: UUID
    course_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a saga around a lesson is about."""

    tutor_id: UUID
    start: datetime
    minutes: int
    session_id: UUID
