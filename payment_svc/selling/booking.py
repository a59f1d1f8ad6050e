"""BookSession: gives the booking to pay for, or the refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from mesh.errors import BadInput, TryAgain
from payment_svc.domain import CALLBACK, AmountMismatch, AskedPrice, EngineMismatch, Order, Saga, SlotTaken
from payment_svc.selling.book_and_pay import KIND, VERSION
from payment_svc.selling.ordering import Wish, Wishes


@dataclass(frozen=True, slots=True)
class Purchasing:
    """The use case. `policy` is the cancellation policy that is frozen at purchase; `verify` a lesson's course."""

    wishes: Wishes
    policy: str
    verify: Callable[[UUID], Awaitable[None]]
    version: int = VERSION

    async def book(self, order: Order) -> Saga:
        """The saga of this order once its booking can be paid, is confirmed, or has ended.

        Raises the refusal of the slot or the course, AmountMismatch, EngineMismatch, IdempotencyMismatch, BadInput,
        ProviderUnavailable, TryAgain, Overloaded.
        """
        if order.student_id == order.tutor_id:
            raise BadInput("the tutor cannot be the student", field="tutor_id")
        if order.course_id is not None:
            await self.verify(order.course_id)
        return await self.wishes.granted(self._wish(order))

    def _wish(self, order: Order) -> Wish:
        course_id = str(order.course_id) if order.course_id else None
        asked = order.price
        return Wish(
            order,
            KIND,
            self.version,
            things=("booking", "session", "payment"),
            context={"course_id": course_id, "purpose": order.purpose, "policy": self.policy}
            | ({"asked_price": asked.kept()} if asked else {})
            | ({"payment_engine": CALLBACK} if order.payment_engine == CALLBACK else {}),
            facts=(str(order.tutor_id), order.start.isoformat(), order.minutes, str(order.course_id), order.purpose)
            + ((asked.amount, asked.currency) if asked else ())
            + ((CALLBACK,) if order.payment_engine == CALLBACK else ()),
            fits=lambda saga: _fits(order, saga),
        )


def _fits(order: Order, saga: Saga) -> None:
    """Another length, or another course, finds the time taken by the student's own hold."""
    course_id = saga.context.get("course_id")
    if (saga.minutes, course_id) != (order.minutes, str(order.course_id) if order.course_id else None):
        raise SlotTaken
    if order.payment_engine not in ("", saga.payment_engine):
        raise EngineMismatch
    if order.price is not None and order.price != saga.asked_price:
        _must_cost(saga, order.price)


def _must_cost(saga: Saga, asked: AskedPrice) -> None:
    """Raises AmountMismatch when the open booking was made at another price, TryAgain while that is not known."""
    if saga.price is None:
        raise TryAgain
    if asked.settled(saga.price) != saga.price:
        raise AmountMismatch("the booking was made at another price", field="price")
