"""CancelBookingSaga: how a sold lesson is taken back.

The session is cancelled first, because it decides: a lesson that took place is not taken back. Then the slot becomes
free, the booking ends, and the money goes back.
"""

from __future__ import annotations

from mesh import clock
from payment_svc.cancelling.take_back import CancelDefinition
from payment_svc.domain import BOOK, CANCEL_OF, Saga
from payment_svc.peers import STEP_SECONDS, Peers, call_peer
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session


async def cancel_session(peers: Peers, saga: Saga) -> None:
    request = session.CancelSessionRequest(
        session_id=str(saga.session_id),
        saga_id=str(saga.taken_back.purchase_id),
        decided_at=clock.to_proto(saga.created_at),
    )
    await call_peer(lambda: peers.session.CancelSession(request, timeout=STEP_SECONDS))


async def release_slot(peers: Peers, saga: Saga) -> None:
    request = availability.ReleaseSlotRequest(saga_id=str(saga.taken_back.purchase_id))
    await call_peer(lambda: peers.availability.ReleaseSlot(request, timeout=STEP_SECONDS))


async def end_booking(peers: Peers, saga: Saga) -> None:
    request = booking.EndBookingRequest(
        booking_id=str(saga.sold_id),
        saga_id=str(saga.taken_back.purchase_id),
        status=booking.BOOKING_STATUS_CANCELLED,
        reason=f"cancelled by the {saga.taken_back.cancel.by}",
    )
    await call_peer(lambda: peers.booking.EndBooking(request, timeout=STEP_SECONDS))


CANCEL_BOOKING = CancelDefinition(
    kind=CANCEL_OF[BOOK],
    version=1,
    steps=(cancel_session, release_slot, end_booking),
)
