"""The use cases BookSession and EnrollInCourse: an order becomes something to pay for, or a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

from mesh import calls
from mesh.errors import BadInput, TryAgain
from payment_svc.domain import (
    STRIPE,
    AmountMismatch,
    AskedPrice,
    CourseOrder,
    EnrollmentFacts,
    LessonFacts,
    LessonOrder,
    Order,
    PaymentEngines,
    ProviderMismatch,
    Saga,
    SlotTaken,
)
from payment_svc.domain.engines import provider_of
from payment_svc.links.returning import ReturnOrigins
from payment_svc.selling.book_and_pay import BOOK_AND_PAY
from payment_svc.selling.enroll_in_course import ENROLL_IN_COURSE
from payment_svc.selling.ordering import NewSaga, Ordering


@dataclass(frozen=True, slots=True)
class LessonOrders:
    """BookSession. `policy` is the cancellation policy that is frozen at purchase; `verify` checks a lesson's course,
    and returns its title.

    `returns` are the origins to which the page to pay on may lead.
    """

    ordering: Ordering
    policy: str
    verify: Callable[[UUID], Awaitable[str]]
    engines: PaymentEngines
    returns: ReturnOrigins
    version: int = BOOK_AND_PAY.version

    async def book(self, order: LessonOrder) -> Saga:
        """The saga of this order once its booking can be paid, is confirmed, or has ended.

        Raises the refusal of the slot or the course, AmountMismatch, ProviderMismatch, IdempotencyMismatch, BadInput,
        Forbidden, ProviderUnavailable, TryAgain, Overloaded.
        """
        if order.student_id == order.tutor_id:
            raise BadInput("the tutor cannot be the student", field="tutor_id")
        self.returns.check(order.pages)
        new = self._new_saga(order)
        if order.course_id is not None:
            new = replace(new, facts=replace(new.facts, course_title=await self.verify(order.course_id)))
        return await self.ordering.start_or_join(new)

    def _new_saga(self, order: LessonOrder) -> NewSaga:
        asked, engine = order.price, _choose_engine(self.engines, order)
        provider, name = provider_of(engine)
        return NewSaga(
            order,
            BOOK_AND_PAY.kind,
            self.version,
            makes=("sold", "session", "payment"),
            facts=LessonFacts(
                provider=provider,
                provider_name=name,
                policy=self.policy,
                asked_price=asked,
                course_id=order.course_id,
                purpose=order.purpose,
                timezone=order.region.timezone,
                locale=order.region.locale,
                return_url=order.pages.return_url,
                cancel_url=order.pages.cancel_url,
            ),
            # Stored as a digest for 24 hours: what was added later must not change the fingerprint of other orders.
            fingerprint=(
                str(order.tutor_id),
                order.start.isoformat(),
                order.minutes,
                str(order.course_id),
                order.purpose,
            )
            + ((asked.amount, asked.currency) if asked else ())
            + ((engine,) if engine != STRIPE else ())
            + order.region.fingerprint
            + order.pages.fingerprint,
            check_fits=lambda saga: _check_fits(order, saga),
        )


def _check_fits(order: LessonOrder, saga: Saga) -> None:
    """Raises SlotTaken when the student's open order has another length or course, and ProviderMismatch, AmountMismatch."""
    if (saga.minutes, saga.lesson_facts.course_id) != (order.minutes, order.course_id):
        raise SlotTaken
    _check_engine(order, saga)
    _check_price(order.price, saga)


def _check_engine(order: Order, saga: Saga) -> None:
    """Raises ProviderMismatch when the open purchase is paid through another engine than the one that is named."""
    if order.provider not in ("", saga.purchase_facts.payment_engine):
        raise ProviderMismatch


def _choose_engine(engines: PaymentEngines, order: Order) -> str:
    """The engine of a new purchase. Raises BadInput, and Forbidden for a person who names another than the default."""
    person = calls.current().person
    return engines.choose(order.provider, may_choose=person is None or person.is_service)


def _check_price(asked: AskedPrice | None, saga: Saga) -> None:
    """Raises AmountMismatch when the open purchase was made at another price, and TryAgain while that is unknown."""
    if asked is None or asked == saga.purchase_facts.asked_price:
        return
    if saga.price is None:
        raise TryAgain
    if asked.agree(saga.price) != saga.price:
        raise AmountMismatch("it was ordered at another price", field="price")


@dataclass(frozen=True, slots=True)
class CourseOrders:
    """EnrollInCourse. `policy` is the cancellation policy that is frozen at purchase; `returns` as for lessons."""

    ordering: Ordering
    policy: str
    engines: PaymentEngines
    returns: ReturnOrigins
    version: int = ENROLL_IN_COURSE.version

    async def enroll(self, order: CourseOrder) -> Saga:
        """The saga of this order once its enrollment can be paid, is active, or has ended.

        Raises the refusal of the course, AmountMismatch, ProviderMismatch, IdempotencyMismatch, BadInput, Forbidden,
        ProviderUnavailable, TryAgain, Overloaded.
        """
        self.returns.check(order.pages)
        asked, region, engine = order.price, order.region, _choose_engine(self.engines, order)
        provider, name = provider_of(engine)

        def check_fits(saga: Saga) -> None:
            _check_engine(order, saga)
            _check_price(asked, saga)

        return await self.ordering.start_or_join(
            NewSaga(
                order,
                ENROLL_IN_COURSE.kind,
                self.version,
                makes=("sold", "payment"),
                facts=EnrollmentFacts(
                    policy=self.policy,
                    provider=provider,
                    provider_name=name,
                    asked_price=asked,
                    timezone=region.timezone,
                    locale=region.locale,
                    return_url=order.pages.return_url,
                    cancel_url=order.pages.cancel_url,
                ),
                fingerprint=("course", str(order.course_id))
                + ((asked.amount, asked.currency) if asked else ())
                + ((engine,) if engine != STRIPE else ())
                + region.fingerprint
                + order.pages.fingerprint,
                check_fits=check_fits,
            )
        )
