"""A student says "I have paid, look now": the provider is asked, as it is after a report about Stripe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from mesh import calls
from mesh.errors import Forbidden, NotFound, TryAgain
from payment_svc.domain import ProviderUnavailable, Saga, State
from payment_svc.settling.callbacks import Callbacks, Looked
from payment_svc.store import SagaStore

#: Seconds in which the provider is asked at most once about a purchase.
ASK_EVERY_SECONDS = 5.0
#: The same for a page that is loaded: a person needs longer than that to pay and load it again. And how long it waits.
LOAD_EVERY_SECONDS, LOAD_SECONDS = 1.0, 3.0


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
        return await self._look(saga, ASK_EVERY_SECONDS)

    async def look_again(self, saga: Saga) -> Looked:
        """The same when a page is loaded, once somebody has asked about this purchase: it may have been paid since.

        A provider that does not answer leaves what it said before. Until it has said something, it may have the money.
        """
        if saga.looked_at is None:
            return Looked(saga)
        try:
            with calls.deadline(LOAD_SECONDS):
                return await self._look(saga, LOAD_EVERY_SECONDS)
        except (ProviderUnavailable, TryAgain):
            return Looked(saga, _is_paid(saga))

    async def _look(self, saga: Saga, every: float) -> Looked:
        if saga.state is not State.AWAITING_PAYMENT or (began := await self.sagas.may_look(saga.id, every)) is None:
            return Looked(saga, _is_paid(saga))
        looking = replace(saga, looked_at=began)
        try:
            return await self.callbacks.look_now(looking)
        except ProviderUnavailable:
            await self.sagas.end_look(looking, saga.seen_paid)
            raise

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


def _is_paid(saga: Saga) -> bool:
    """True when the provider may have the money of a saga that has not heard of it: nobody is told to pay again."""
    return saga.looked_at is not None and saga.seen_paid is not False
