"""What a cancel would give back now, by the terms of what was sold and the policy frozen at purchase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mesh import calls
from mesh.errors import TryAgain
from mesh.money import Money
from payment_svc.domain import BOOK, ENROLL, NotCancellable, Payment, Saga, State
from payment_svc.domain.policy import NOTHING_PAID, Share, share, share_since

PAID = frozenset({State.BOOKING_SESSION, State.COMPLETED})


@dataclass(frozen=True, slots=True)
class Decision:
    """What a cancel would do now."""

    by: str
    share: Share
    refund: Money
    payment: str  # the state of the payment that it is for

    def kept(self) -> dict[str, Any]:
        """What the saga remembers of it."""
        return {
            "by": self.by,
            "percent": self.share.percent,
            "rule": self.share.rule,
            "refund_minor": self.refund.amount_minor,
        }

    def words(self, reason: str) -> str:
        """What its event tells."""
        words = f"by the {self.by}; {self.share.rule}"
        return f"{words}: {reason}" if reason else words


@dataclass(frozen=True, slots=True)
class Terms:
    """How what one kind of saga sells is taken back.

    `students` says what a student's own cancel gives back, and raises NotCancellable; anybody else's gives everything.
    """

    sold_by: str
    teacher: str
    students: Callable[[Saga], Share]

    def decided(self, purchase: Saga, payment: Payment | None) -> Decision:
        """What a cancel by the caller would do now. Raises NotCancellable, TryAgain."""
        if purchase.state not in PAID and purchase.state is not State.AWAITING_PAYMENT:
            if purchase.is_complete:
                raise NotCancellable
            raise TryAgain
        by = self._who(purchase)
        everything = f"cancelled by the {self.teacher} or the platform: 100 %"
        return _priced(purchase, payment, by, self.students(purchase) if by == "student" else Share(100, everything))

    def _who(self, purchase: Saga) -> str:
        """In whose name the caller cancels."""
        person = calls.current().person
        if person is None or person.is_service:
            return "platform"
        if person.id == purchase.student_id:
            return "student"
        return self.teacher if person.id == purchase.tutor_id else "admin"


def _before_the_lesson(purchase: Saga) -> Share:
    left = purchase.lesson.start - purchase.loaded_at
    if left.total_seconds() <= 0:
        raise NotCancellable("the lesson has begun")
    return share(purchase.context["policy"], left)


def _since_it_was_paid(purchase: Saga) -> Share:
    """Counted from the commit that made the enrollment active: a saga that was held up costs its student nothing."""
    is_active = purchase.state is State.COMPLETED
    since = purchase.loaded_at - (purchase.state_since if is_active else purchase.loaded_at)
    return share_since(purchase.context["policy"], since)


def _priced(purchase: Saga, payment: Payment | None, by: str, decided: Share) -> Decision:
    assert purchase.price is not None
    if purchase.state not in PAID:
        nothing = Money(0, purchase.price.currency)
        return Decision(by, Share(decided.percent, NOTHING_PAID), nothing, "unpaid")
    given = payment.refunded_minor if payment else 0
    left = (payment.received_minor if payment else 0) - given
    due = min(decided.of(purchase.price).amount_minor, left)
    return Decision(by, decided, Money(due, purchase.price.currency), f"paid, {given} back")


LESSON = Terms(BOOK, "tutor", _before_the_lesson)
COURSE = Terms(ENROLL, "instructor", _since_it_was_paid)
