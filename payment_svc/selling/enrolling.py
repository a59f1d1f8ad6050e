"""EnrollInCourse: gives the enrollment to pay for, or the refusal."""

from __future__ import annotations

from dataclasses import dataclass

from payment_svc.domain import CourseOrder, Saga
from payment_svc.selling.enroll_in_course import KIND, VERSION
from payment_svc.selling.ordering import Wish, Wishes


@dataclass(frozen=True, slots=True)
class Enrolling:
    """The use case. `policy` is the cancellation policy that is frozen at purchase."""

    wishes: Wishes
    policy: str
    version: int = VERSION

    async def enroll(self, order: CourseOrder) -> Saga:
        """The saga of this order once its enrollment can be paid, is active, or has ended.

        Raises the refusal of the course, IdempotencyMismatch, ProviderUnavailable, TryAgain, Overloaded.
        """
        return await self.wishes.granted(self._wish(order))

    def _wish(self, order: CourseOrder) -> Wish:
        return Wish(
            order,
            KIND,
            self.version,
            things=("booking", "payment"),
            context={"policy": self.policy},
            facts=("course", str(order.course_id)),
            fits=lambda saga: None,
        )
