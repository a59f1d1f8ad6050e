"""A saga's seat in a course: hold, activate, give back. Each is idempotent under the saga's id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from learning_svc.domain import (
    ENDS,
    AlreadyEnrolled,
    Claim,
    CourseFull,
    CourseNotFound,
    CourseNotPublished,
    Enrollment,
    Raced,
    Record,
    Standing,
    Status,
    Terms,
    Tombstone,
    must_be,
)
from learning_svc.store import SeatStore
from mesh.database import Database
from mesh.errors import BadInput, Cancelled, NotFound

#: How often one looks again who found what had just changed; twice is what a race needs.
LOOKS = 5
Look = Callable[[SeatStore], Awaitable[tuple[Record | None, bool]]]


class Seats:
    """Decides who gets a seat. The database's clock and the course's row are its only sense of order."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def hold(self, claim: Claim) -> Enrollment:
        """A seat until the hold ends; a repeat of the saga gives the first answer.

        Raises CourseNotFound, CourseNotPublished, BadInput, AlreadyEnrolled (before) CourseFull, Cancelled.
        """
        for _ in range(LOOKS):
            try:
                record = await self._database.statement(lambda connection: self._take(connection, claim))
                if record is None:
                    record = await self._database.transaction(lambda connection: self._take_over(connection, claim))
            except Raced:
                continue
            if record is not None:
                return _of_claim(claim, record)
        raise Raced

    async def activate(self, enrollment_id: UUID, saga_id: UUID) -> Enrollment:
        """The enrollment ACTIVE, now or before. Raises NotFound, IllegalMove (it has ended), CourseFull (seat lost)."""
        enrollment = await self._activated(enrollment_id, saga_id)
        if enrollment.status is Status.PAYMENT_REQUIRED:
            won = await self._win_again(enrollment)
            enrollment = won or await self._activated(enrollment_id, saga_id)
        if enrollment.status is Status.PAYMENT_REQUIRED:
            raise CourseFull("the seat was given to another meanwhile")
        return enrollment

    async def end(self, enrollment_id: UUID, saga_id: UUID, status: Status) -> None:
        """An unpaid enrollment has ended, the first end wins. Raises IllegalMove when it is ACTIVE, BadInput."""
        record = await self._settled(lambda store: store.end(enrollment_id, saga_id, status), may_lack=False)
        if record is None or record.id != enrollment_id or record.saga_id != saga_id:
            raise BadInput("belongs to another enrollment", field="saga_id")
        if record.status not in ENDS:
            must_be(record.status, status)

    async def cancel(self, enrollment_id: UUID, saga_id: UUID) -> None:
        """An active enrollment is cancelled, now or before. Raises NotFound, IllegalMove (it never was active)."""
        record = await self._settled(lambda store: store.cancel(enrollment_id, saga_id))
        if record is None or record.saga_id != saga_id:
            raise NotFound
        must_be(record.status, Status.CANCELLED)
        if isinstance(record, Tombstone) or record.activated_at is None:
            must_be(Status.PAYMENT_REQUIRED, Status.ACTIVE)

    async def _take(self, connection: AsyncConnection, claim: Claim) -> Record | None:
        """A seat that is free; None when only a lapsed hold can give way. Raises the reason why there is none."""
        store = SeatStore(connection)
        record = await store.take(claim, self._terms.hold)
        if record is None:
            standing = await store.standing(claim.course_id, claim.student_id, self._terms.grace)
            _must_be_to_be_had(standing, claim, may_give_way=True)
        return record

    async def _take_over(self, connection: AsyncConnection, claim: Claim) -> Record | None:
        """A seat, with a lapsed hold out of its way. Nobody else takes one meanwhile: a course that is full then is full."""
        store = SeatStore(connection)
        await store.lock(claim.course_id)
        await store.evict(claim.course_id, claim.student_id, self._terms.grace)
        record = await store.take(claim, self._terms.hold)
        if record is None:
            standing = await store.standing(claim.course_id, claim.student_id, self._terms.grace)
            _must_be_to_be_had(standing, claim, may_give_way=False)
        return record

    async def _activated(self, enrollment_id: UUID, saga_id: UUID) -> Enrollment:
        """The enrollment ACTIVE, or still PAYMENT_REQUIRED because its seat is lost."""
        record = await self._settled(lambda store: store.activate(enrollment_id, saga_id))
        if record is None or record.saga_id != saga_id:
            raise NotFound
        if isinstance(record, Tombstone) or record.status in ENDS:
            must_be(record.status, Status.ACTIVE)
        assert isinstance(record, Enrollment)  # a tombstone has ended
        return record

    async def _win_again(self, lost: Enrollment) -> Enrollment | None:
        async def work(connection: AsyncConnection) -> Enrollment | None:
            store = SeatStore(connection)
            await store.lock(lost.course_id)
            await store.evict(lost.course_id, lost.student_id, self._terms.grace)
            return await store.win(lost)

        return await self._database.transaction(work)

    async def _settled(self, look: Look, *, may_lack: bool = True) -> Record | None:
        """What a write found or made.

        A statement sees only what was committed when it began. When it waited for another transaction, it may have
        changed nothing and yet see no row, or one that still looks movable: then it is run again, and sees.
        """
        for _ in range(LOOKS):
            record, is_stale = await self._database.statement(lambda connection: look(SeatStore(connection)))
            if not is_stale and (record is not None or may_lack):
                return record
        raise Raced


def _must_be_to_be_had(standing: Standing | None, claim: Claim, *, may_give_way: bool) -> None:
    """Raises the reason why this student gets no seat, unless one could be had in a moment."""
    if standing is None:
        raise CourseNotFound
    if not standing.course.published:
        raise CourseNotPublished
    if standing.course.instructor_id == claim.student_id:
        raise BadInput("must not be the instructor", field="student_id")
    if standing.is_enrolled:
        raise AlreadyEnrolled
    if standing.course.is_full and not (may_give_way and standing.gives_way):
        raise CourseFull


def _of_claim(claim: Claim, record: Record) -> Enrollment:
    """The enrollment a claim made, now or before."""
    if record.id != claim.enrollment_id or record.saga_id != claim.saga_id:
        raise BadInput("belongs to another enrollment", field="saga_id")
    if isinstance(record, Tombstone) or record.status in ENDS:
        raise Cancelled
    if (record.course_id, record.student_id) != (claim.course_id, claim.student_id):
        raise BadInput("holds a seat for somebody else", field="saga_id")
    return record
