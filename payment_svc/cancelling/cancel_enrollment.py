"""CancelEnrollmentSaga: how a sold seat in a course is taken back. The enrollment ends with its seat, then the money."""

from __future__ import annotations

from payment_svc.cancelling.take_back import CancelDefinition
from payment_svc.domain import CANCEL_OF, ENROLL, Saga
from payment_svc.peers import STEP_SECONDS, Peers, call_peer
from tutormesh.learning.v1 import learning_pb2 as learning


async def cancel_enrollment(peers: Peers, saga: Saga) -> None:
    request = learning.CancelEnrollmentRequest(
        enrollment_id=str(saga.sold_id), saga_id=str(saga.taken_back.purchase_id)
    )
    await call_peer(lambda: peers.learning.CancelEnrollment(request, timeout=STEP_SECONDS))


CANCEL_ENROLLMENT = CancelDefinition(kind=CANCEL_OF[ENROLL], version=1, steps=(cancel_enrollment,))
