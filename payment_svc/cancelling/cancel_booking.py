"""CancelBookingSaga: a sold lesson taken back. Session, slot, booking, then the money."""

from __future__ import annotations

from functools import partial

from mesh import clock
from payment_svc.cancelling.take_back import TakeBack, purchase_of
from payment_svc.domain import BOOK, CANCEL_OF, Saga
from payment_svc.peers import STEP_SECONDS, Peers, asked
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session

KIND = CANCEL_OF[BOOK]


def cancel_booking(peers: Peers) -> TakeBack:
    """The saga as its steps. The session decides: a lesson that took place is not taken back."""
    return TakeBack(
        KIND, 1, (partial(cancel_session, peers), partial(release_slot, peers), partial(end_booking, peers))
    )


async def cancel_session(peers: Peers, saga: Saga) -> None:
    request = session.CancelSessionRequest(
        session_id=str(saga.session_id),
        saga_id=str(purchase_of(saga)),
        decided_at=clock.to_proto(saga.created_at),
    )
    await asked(lambda: peers.session.CancelSession(request, timeout=STEP_SECONDS))


async def release_slot(peers: Peers, saga: Saga) -> None:
    request = availability.ReleaseSlotRequest(saga_id=str(purchase_of(saga)))
    await asked(lambda: peers.availability.ReleaseSlot(request, timeout=STEP_SECONDS))


async def end_booking(peers: Peers, saga: Saga) -> None:
    request = booking.EndBookingRequest(
        booking_id=str(saga.booking_id),
        saga_id=str(purchase_of(saga)),
        status=booking.BOOKING_STATUS_CANCELLED,
        reason=f"cancelled by the {saga.context['cancel']['by']}",
    )
    await asked(lambda: peers.booking.EndBooking(request, timeout=STEP_SECONDS))
