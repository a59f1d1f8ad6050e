"""CancelBookingSaga: a sold lesson taken back. It only goes forward: session, slot, booking, then the money.

The decision and its refund were committed with the saga, before anybody was asked (payment_svc/cancelling.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mesh import clock
from mesh.errors import IllegalMove, Refusal
from payment_svc.domain import GiveBack, Move, RefundStatus, Saga, State
from payment_svc.sagas.book_and_pay import STEP_SECONDS, Peers, asked
from payment_svc.sagas.phases import StillOwed
from payment_svc.sagas.refunds import Refunds
from payment_svc.store import RefundStore, SagaStore
from payment_svc.store.cancellations import KIND, VERSION
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session


@dataclass(frozen=True, slots=True)
class CancelBooking:
    """The saga's one phase."""

    peers: Peers
    sagas: SagaStore
    refunds: RefundStore
    giving: Refunds
    kind: str = KIND
    version: int = VERSION

    async def advance(self, saga: Saga) -> Move:
        """Raises StillOwed while the money is on its way."""
        try:
            await self._cancel_session(saga)
        except IllegalMove as refusal:  # it took place meanwhile: nothing is taken back
            return await self._withdrawn(saga, refusal)
        await self._release_slot(saga)
        await self._end_booking(saga)
        return await self._pay_back(saga)

    async def _cancel_session(self, saga: Saga) -> None:
        request = session.CancelSessionRequest(
            session_id=str(saga.session_id),
            saga_id=str(_purchase(saga)),
            decided_at=clock.to_proto(saga.created_at),
        )
        await asked(lambda: self.peers.session.CancelSession(request, timeout=STEP_SECONDS))

    async def _release_slot(self, saga: Saga) -> None:
        request = availability.ReleaseSlotRequest(saga_id=str(_purchase(saga)))
        await asked(lambda: self.peers.availability.ReleaseSlot(request, timeout=STEP_SECONDS))

    async def _end_booking(self, saga: Saga) -> None:
        request = booking.EndBookingRequest(
            booking_id=str(saga.booking_id),
            saga_id=str(_purchase(saga)),
            status=booking.BOOKING_STATUS_CANCELLED,
            reason=f"cancelled by the {saga.context['cancel']['by']}",
        )
        await asked(lambda: self.peers.booking.EndBooking(request, timeout=STEP_SECONDS))

    async def _pay_back(self, saga: Saga) -> Move:
        wish = give_back(saga)
        if wish is None:
            return Move(saga, State.CANCELLED, "cancelled")
        purchase = await self.sagas.get(_purchase(saga))
        assert purchase is not None
        if await self.giving.give_back(purchase, wish, saga.context["received_minor"]) is not RefundStatus.SUCCEEDED:
            raise StillOwed(saga)
        return Move(saga, State.REFUNDED, "refunded")

    async def _withdrawn(self, saga: Saga, refusal: Refusal) -> Move:
        wish = give_back(saga)
        for refund in await self.refunds.of_intent(wish.intent_id) if wish else ():
            if wish is not None and refund.id == wish.refund_id(0):
                await self.refunds.withdraw(refund)
        error = {"code": "FAILED_PRECONDITION", "reason": "NOT_CANCELLABLE", "message": refusal.message, "field": ""}
        return Move(saga, State.REJECTED, "rejected", refusal.reason, error=error)


def give_back(saga: Saga) -> GiveBack | None:
    """What the cancel decided to give back; None when nothing is due."""
    due = saga.refund_due
    if due is None or not due.amount_minor:
        return None
    return GiveBack(f"cancel:{saga.id}", saga.context["intent_id"], due, "cancelled")


def _purchase(saga: Saga) -> UUID:
    return UUID(saga.context["purchase_id"])
