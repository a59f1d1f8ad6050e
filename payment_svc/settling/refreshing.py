"""A student says "I have paid, look now": the provider is asked, as it is after a report about Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mesh import calls
from mesh.errors import Forbidden, NotFound
from payment_svc.domain import Saga, State
from payment_svc.settling.callbacks import Callbacks, Looked
from payment_svc.store import SagaStore

#: Seconds in which the provider is asked at most once about a purchase.
ASK_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refreshing:
    """The use case RefreshBooking."""

    sagas: SagaStore
    callbacks: Callbacks

    async def refresh(self, booking_id: UUID) -> Saga:
        """The booking's saga, after the provider was asked about it at most once in five seconds.

        Raises NotFound, Forbidden, ProviderUnavailable.
        """
        return (await self.look(await self._saga_of_caller(booking_id))).saga

    async def look(self, saga: Saga) -> Looked:
        """The same for a booking or an enrollment whose caller is known. Raises ProviderUnavailable."""
        if saga.state is State.AWAITING_PAYMENT and await self.sagas.may_look(saga.id, ASK_EVERY_SECONDS):
            return await self.callbacks.look_now(saga)
        return Looked(saga)

    async def _saga_of_caller(self, booking_id: UUID) -> Saga:
        call, person = calls.current(), calls.current().require_person()
        saga = await self.sagas.by_sold(booking_id)
        if saga is None or saga.course_id is not None or saga.state is State.REJECTED:
            raise NotFound
        if not call.speaks_for(saga.student_id, saga.tutor_id):
            raise NotFound
        if person.id != saga.student_id:
            raise Forbidden("only its student may do this")
        return saga
