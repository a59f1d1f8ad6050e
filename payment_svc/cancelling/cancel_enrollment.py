"""CancelEnrollmentSaga: a sold place in a course taken back. The enrollment with its seat, then the money."""

from __future__ import annotations

from functools import partial

from payment_svc.cancelling.take_back import TakeBack, purchase_of
from payment_svc.domain import CANCEL_OF, ENROLL, Saga
from payment_svc.peers import STEP_SECONDS, Peers, asked
from tutormesh.learning.v1 import learning_pb2 as learning

KIND = CANCEL_OF[ENROLL]


def cancel_enrollment(peers: Peers) -> TakeBack:
    """The saga as its steps."""
    return TakeBack(KIND, 1, (partial(end_place, peers),))


async def end_place(peers: Peers, saga: Saga) -> None:
    request = learning.CancelEnrollmentRequest(enrollment_id=str(saga.booking_id), saga_id=str(purchase_of(saga)))
    await asked(lambda: peers.learning.CancelEnrollment(request, timeout=STEP_SECONDS))
