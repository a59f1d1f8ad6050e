"""Sessions: create, cancel, complete, each safe to repeat; and who may read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mesh import calls
from mesh.errors import BadInput, Cancelled, Forbidden, IllegalMove, NotFound
from session_svc.domain import Lesson, Session, Status, Tombstone, after
from session_svc.store import Record, Store


class Sessions:
    """The use cases of sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, session_id: UUID, saga_id: UUID, lesson: Lesson) -> Session:
        """The session as it is now: made, or made before. Raises Cancelled once it is cancelled, BadInput."""
        record = await self._store.create(session_id, saga_id, lesson)
        _must_fit(record, session_id, saga_id)
        if record.status is Status.CANCELLED or isinstance(record, Tombstone):
            raise Cancelled
        return record

    async def cancel(self, session_id: UUID, saga_id: UUID, decided_at: datetime | None = None) -> None:
        """The session is cancelled, now or before; also one completed since, if this was decided before its end.

        Raises IllegalMove when it took place, BadInput.
        """
        record = await self._store.cancel(session_id, saga_id, decided_at)
        _must_fit(record, session_id, saga_id)
        after(record.status, Status.CANCELLED)

    async def complete(self, session_id: UUID) -> Session:
        """The session completed, now or before, by its tutor, an admin or a service.

        Raises NotFound, Forbidden (its student), IllegalMove when it is cancelled or not yet over.
        """
        call = calls.current()
        tutor = None if call.speaks_for() else call.require_person().id
        found = await self._store.complete(session_id, tutor)
        session = _shown(found.session if found else None)
        call.must_speak_for(session.lesson.tutor_id)
        if session.status is Status.CONFIRMED:
            raise IllegalMove("the lesson is not over yet")
        after(session.status, Status.COMPLETED)
        return session

    async def get(self, session_id: UUID) -> Session:
        """A session of the caller's. Raises NotFound, also for another person's."""
        return _shown(await self._store.find(session_id))

    async def these(self, session_ids: Sequence[UUID]) -> list[Session]:
        """Those of the sessions that are the caller's, in no order."""
        return [session for session in await self._store.find_these(session_ids) if _is_shown(session)]

    async def of_person(
        self, person: UUID, status: str | None, before: tuple[datetime, UUID] | None, most: int
    ) -> list[Session]:
        """Sessions of a person, latest lesson first. Raises Forbidden unless the caller speaks for them."""
        calls.current().must_speak_for(person)
        return await self._store.of_person(person, status, before, most)

    async def everybodys(self, status: str | None, after_id: UUID | None, most: int) -> list[Session]:
        """All sessions, in id order. Raises Forbidden unless ops asks on its own behalf."""
        call = calls.current()
        if call.person is not None or call.service != "ops":
            raise Forbidden("only ops, on its own behalf, lists everybody's")
        return await self._store.all(status, after_id, most)


def _must_fit(record: Record, session_id: UUID, saga_id: UUID) -> None:
    """What was found may be another session that has the same saga, or only the same booking."""
    if record.id == session_id and record.saga_id == saga_id:
        return
    shared = "saga_id" if record.id == session_id or record.saga_id == saga_id else "booking_id"
    raise BadInput("belongs to another session", field=shared)


def _shown(record: Record | None) -> Session:
    """A session of the caller's; a tombstone, and another person's session, is nothing."""
    if not isinstance(record, Session) or not _is_shown(record):
        raise NotFound
    return record


def _is_shown(session: Session) -> bool:
    return calls.current().speaks_for(session.lesson.student_id, session.lesson.tutor_id)
