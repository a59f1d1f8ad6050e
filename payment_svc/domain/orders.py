"""What somebody wants to buy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mesh.money import Money
from payment_svc.domain.refusals import AmountMismatch


@dataclass(frozen=True, slots=True)
class AskedPrice:
    """A price that came with an order: decimal text and a currency. Either is empty when it was not named."""

    amount: str
    currency: str
    decides: bool  # True: a service sets the price. False: a person's price must equal the tutor's

    @classmethod
    def shown(cls, price: Money) -> AskedPrice:
        """The price that a student was shown. It decides nothing, whoever asks."""
        return cls(price.decimal, price.currency, decides=False)

    @property
    def whole(self) -> Money:
        """The price, when it has an amount and a currency. Raises ValueError for a part of a minor unit."""
        return Money.exactly(Decimal(self.amount), self.currency)

    @property
    def expected(self) -> tuple[str, str]:
        """The amount and the currency that the tutor's price must have; empty texts where it may be any."""
        return ("", "") if self.decides and self.amount else (self.amount, self.currency)

    def agree(self, tutors: Money) -> Money:
        """The price of the order, when the tutor asks `tutors`. Raises AmountMismatch."""
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
        """Raises AmountMismatch. A currency that the order named was checked with its amount: this is the tutor's."""
        try:
            asked = Money.exactly(Decimal(self.amount), currency)
        except ValueError as error:
            raise AmountMismatch(f"no such price: {error}", field="price") from None
        if self.decides and not asked.is_payable:
            raise AmountMismatch(f"no such price: it {asked.payable_amounts}", field="price")
        return asked


@dataclass(frozen=True, slots=True)
class StudentRegion:
    """The student's IANA time zone and BCP 47 language tag, for messages. Either is empty when not given."""

    timezone: str = ""
    locale: str = ""

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """Its part of an order's fingerprint; nothing when nothing was given."""
        return ("told", self.timezone, self.locale) if self.timezone or self.locale else ()


NO_REGION = StudentRegion()


@dataclass(frozen=True, slots=True)
class ReturnPages:
    """Where the page to pay on leads once it is paid, and when the student turns back. Either is empty for nowhere."""

    return_url: str = field(default="", repr=False)
    cancel_url: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> tuple[str, ...]:
        """Its part of an order's fingerprint; nothing when nothing was given."""
        return ("returns", self.return_url, self.cancel_url) if self.return_url or self.cancel_url else ()


NO_PAGES = ReturnPages()


@dataclass(frozen=True, slots=True)
class LessonOrder:
    """A lesson that somebody wants to buy."""

    student_id: UUID
    tutor_id: UUID
    start: datetime
    minutes: int
    course_id: UUID | None
    purpose: str
    key: str  # the idempotency key; empty when none was sent
    price: AskedPrice | None = None
    provider: str = ""  # its name in PAYMENT_ENGINES; empty: that of the open booking, or the default for a new one
    region: StudentRegion = NO_REGION
    pages: ReturnPages = NO_PAGES


@dataclass(frozen=True, slots=True)
class CourseOrder:
    """A seat in a course that somebody wants to buy."""

    student_id: UUID
    course_id: UUID
    key: str
    price: AskedPrice | None = None  # the price that the student was shown
    provider: str = ""  # as in LessonOrder
    region: StudentRegion = NO_REGION
    pages: ReturnPages = NO_PAGES


Order = LessonOrder | CourseOrder


@dataclass(frozen=True, slots=True)
class Lesson:
    """The lesson that a saga is about."""

    tutor_id: UUID
    start: datetime
    minutes: int
    session_id: UUID
