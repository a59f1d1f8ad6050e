"""I7 for enrollments: what a completed sale must have, and what any other end must not leave."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.records import Saga
from ops.audit.snapshot import Breach, Snapshot

#: The enrollment's possible statuses, by the end of its saga. A REJECTED saga has no enrollment, or one that came late
#: and was ended.
ENDS = {
    "EXPIRED": frozenset({"EXPIRED"}),
    "PAYMENT_FAILED": frozenset({"PAYMENT_FAILED"}),
    "CANCELLED": frozenset({"CANCELLED"}),
    "REFUNDED": frozenset({"EXPIRED", "CANCELLED"}),
    "REJECTED": frozenset({"CANCELLED"}),
}
LOOK = "look at `tutormesh saga show {id}`"


def active_enrollment_faults(snapshot: Snapshot, saga: Saga) -> Iterator[str]:
    """What is wrong with the enrollment of a completed saga that was not cancelled."""
    enrollment = snapshot.enrollment_by_id.get(saga.enrollment_id)
    if enrollment is None:
        yield f"its enrollment {saga.enrollment_id} does not exist"
        return
    if enrollment.status != "ACTIVE":
        yield f"its enrollment {enrollment.id} is {enrollment.status}"
    found = (enrollment.saga_id, enrollment.course_id, enrollment.student_id, enrollment.instructor_id)
    if found != (saga.id, saga.course_id, saga.student_id, saga.tutor_id):
        yield f"its enrollment {enrollment.id} names another saga, course or person"
    if saga.price is not None and enrollment.price != saga.price:
        yield f"its enrollment {enrollment.id} costs {enrollment.price}, the saga {saga.price}"
    if saga.price is not None and enrollment.payment_id != (saga.payment_id if saga.price.minor else ""):
        yield f"its enrollment {enrollment.id} names payment {enrollment.payment_id or 'none'}"


def find_enrollment_leftover(snapshot: Snapshot, saga: Saga) -> Iterator[Breach]:
    """An enrollment that did not end as its saga has. A tombstone, which refuses a late hold, fits every end."""
    enrollment = snapshot.enrollment_by_id.get(saga.enrollment_id)
    if enrollment is None or not enrollment.course_id:
        return
    if enrollment.status not in ENDS.get(saga.state, frozenset()):
        what = f"saga {saga.id} is {saga.state}, but enrollment {enrollment.id} is {enrollment.status}"
        do = f"{LOOK.format(id=saga.id)}, then end by hand what does not fit"
        yield Breach("I7", (saga.id, enrollment.id), what, do)


def find_cancelled_enrollment_faults(snapshot: Snapshot, purchase: Saga, cancel: Saga) -> Iterator[Breach]:
    """The enrollment of a cancelled purchase is CANCELLED in learning_svc, which frees its seat."""
    enrollment = snapshot.enrollment_by_id.get(purchase.enrollment_id)
    if enrollment is None or enrollment.status != "CANCELLED":
        status = "does not exist" if enrollment is None else f"is {enrollment.status}"
        what = f"saga {purchase.id} was cancelled by {cancel.id}, but its enrollment {purchase.enrollment_id} {status}"
        do = f"{LOOK.format(id=cancel.id)}, then cancel the enrollment by hand"
        yield Breach("I7", (purchase.id, cancel.id, purchase.enrollment_id), what, do)
