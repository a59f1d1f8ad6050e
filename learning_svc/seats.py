"""A saga's seat in a course: hold it, activate its enrollment, free it. Each is idempotent under the saga's id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from learning_svc.domain import (
    ENDS,
    AlreadyEnrolled,
    AmountMismatch,
    CourseFull,
    CourseNotFound,
    CourseNotPublished,
    Enrollment,
    Order,
    Raced,
    Record,
    Situation,
    Status,
    Terms,
    Tombstone,
    TooManyHolds,
    must_be,
)
from learning_svc.store import SeatStore
from mesh.database import Connection, Database
from mesh.errors import BadInput, Cancelled, NotFound

#: How often a write is run whose result is stale; a race needs two.
ATTEMPTS = 5
Write = Callable[[SeatStore], Awaitable[tuple[Record | None, bool]]]


class Seats:
    """Decides which saga gets a seat. Only the database's clock and the lock on the course's row say who is first."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def hold(self, order: Order) -> Enrollment:
        """Hold a seat until the hold ends. Repeating a saga's order returns its first hold.

        A repeat raises Cancelled when the enrollment has ended. A first order raises, the first of these that applies:
        CourseNotFound, CourseNotPublished, BadInput, AlreadyEnrolled, AmountMismatch, CourseFull, TooManyHolds.
        """
        for _ in range(ATTEMPTS):
            try:
                record = await self._database.transaction(lambda connection: self._hold(SeatStore(connection), order))
            except Raced:
                continue
            if record is not None:
                return _must_match(order, record)
        raise Raced

    async def activate(self, enrollment_id: UUID, saga_id: UUID) -> Enrollment:
        """Activate the enrollment; a repeat changes nothing. An enrollment that lost its seat takes one again.

        Raises NotFound, IllegalMove when it has ended, CourseFull when no seat is left to take again.
        """
        enrollment = await self._activate_if_seated(enrollment_id, saga_id)
        if enrollment.status is Status.PAYMENT_REQUIRED:
            reseated = await self._take_again(enrollment)
            enrollment = reseated or await self._activate_if_seated(enrollment_id, saga_id)
        if enrollment.status is Status.PAYMENT_REQUIRED:
            raise CourseFull("the seat was given to another meanwhile")
        return enrollment

    async def end(self, enrollment_id: UUID, saga_id: UUID, status: Status) -> None:
        """End an unpaid enrollment and free its seat; the first end stays. An unknown enrollment gets a tombstone.

        Raises IllegalMove when the enrollment is ACTIVE, BadInput when the ids belong to another one.
        """
        record = await self._run_until_fresh(lambda store: store.end(enrollment_id, saga_id, status), may_lack=False)
        if record is None or record.id != enrollment_id or record.saga_id != saga_id:
            raise BadInput("belongs to another enrollment", field="saga_id")
        if record.status not in ENDS:
            must_be(record.status, status)

    async def cancel(self, enrollment_id: UUID, saga_id: UUID) -> None:
        """Cancel an active enrollment and free its seat; a repeat changes nothing.

        Raises NotFound, IllegalMove when the enrollment never was active.
        """
        record = await self._run_until_fresh(lambda store: store.cancel(enrollment_id, saga_id))
        if record is None or record.saga_id != saga_id:
            raise NotFound
        must_be(record.status, Status.CANCELLED)
        if isinstance(record, Tombstone) or record.activated_at is None:
            must_be(Status.PAYMENT_REQUIRED, Status.ACTIVE)

    async def _hold(self, store: SeatStore, order: Order) -> Record | None:
        """Take a free seat, or that of a lapsed hold; None when the order raced another. Raises the refusal."""
        await store.lock_student(order.student_id)
        record = await store.take(order, self._terms)
        if record is None:
            situation = await store.read_situation(order.course_id, order.student_id, self._terms)
            _must_be_free(situation, order, may_evict=True)
            record = await self._take_over(store, order)
        return record

    async def _take_over(self, store: SeatStore, order: Order) -> Record | None:
        """Evict a lapsed hold and take its seat. The course's row is locked meanwhile, so no other order takes it."""
        await store.lock(order.course_id)
        await store.evict(order.course_id, order.student_id, self._terms.grace)
        record = await store.take(order, self._terms)
        if record is None:
            situation = await store.read_situation(order.course_id, order.student_id, self._terms)
            _must_be_free(situation, order, may_evict=False)
        return record

    async def _activate_if_seated(self, enrollment_id: UUID, saga_id: UUID) -> Enrollment:
        """Activate the enrollment. It stays PAYMENT_REQUIRED when another student has taken its seat over."""
        record = await self._run_until_fresh(lambda store: store.activate(enrollment_id, saga_id))
        if record is None or record.saga_id != saga_id:
            raise NotFound
        if isinstance(record, Tombstone) or record.status in ENDS:
            must_be(record.status, Status.ACTIVE)
        assert isinstance(record, Enrollment)  # a tombstone has ended
        return record

    async def _take_again(self, lost: Enrollment) -> Enrollment | None:
        async def work(connection: Connection) -> Enrollment | None:
            store = SeatStore(connection)
            await store.lock(lost.course_id)
            await store.evict(lost.course_id, lost.student_id, self._terms.grace)
            return await store.take_again(lost)

        return await self._database.transaction(work)

    async def _run_until_fresh(self, write: Write, *, may_lack: bool = True) -> Record | None:
        """Run a write until its result is fresh; None when `may_lack` and there is no row. Raises Raced.

        A statement sees only what was committed before it began. If it waits for another transaction, it may change
        nothing and yet see no row, or a stale one. The next run sees what that transaction committed.
        """
        for _ in range(ATTEMPTS):
            record, is_stale = await self._database.statement(lambda connection: write(SeatStore(connection)))
            if not is_stale and (record is not None or may_lack):
                return record
        raise Raced


def _must_be_free(situation: Situation | None, order: Order, *, may_evict: bool) -> None:
    """Raises the first reason to refuse the order. With `may_evict`, a full course with a lapsed hold is no reason."""
    if situation is None:
        raise CourseNotFound
    if not situation.course.published:
        raise CourseNotPublished
    if situation.course.instructor_id == order.student_id:
        raise BadInput("must not be the instructor", field="student_id")
    if situation.is_enrolled:
        raise AlreadyEnrolled
    if order.expected_price not in (None, situation.course.price):
        raise AmountMismatch(field="price")
    if situation.course.is_full and not (may_evict and situation.has_lapsed_hold):
        raise CourseFull
    if situation.is_paused:
        raise TooManyHolds("Too many of your reservations ended unpaid. Try again in a few minutes.")
    if situation.has_most:
        raise TooManyHolds


def _must_match(order: Order, record: Record) -> Enrollment:
    """The live enrollment of this order. Raises BadInput when the record is another one's, Cancelled when it has ended."""
    if record.id != order.enrollment_id or record.saga_id != order.saga_id:
        raise BadInput("belongs to another enrollment", field="saga_id")
    if isinstance(record, Tombstone) or record.status in ENDS:
        raise Cancelled
    if (record.course_id, record.student_id) != (order.course_id, order.student_id):
        raise BadInput("holds a seat for somebody else", field="saga_id")
    return record
