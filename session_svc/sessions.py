"""Sessions: create, cancel and complete them, each safe to repeat; and read those that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mesh import calls
from mesh.errors import BadInput, Cancelled, Forbidden, IllegalMove, NotFound
from mesh.row_stamps import ChangedIds
from session_svc.domain import Lesson, Listing, Session, Status, Tombstone, check_move
from session_svc.store import Record, Store


class Sessions:
    """The use cases of sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, session_id: UUID, saga_id: UUID, lesson: Lesson) -> Session:
        """Create the session; a repeat returns it as it is now.

        Raises Cancelled when the session is cancelled, BadInput when the ids belong to another session.
        """
        record = await self._store.create(session_id, saga_id, lesson)
        _must_match(record, session_id, saga_id)
        if record.status is Status.CANCELLED or isinstance(record, Tombstone):
            raise Cancelled
        return record

    async def cancel(self, session_id: UUID, saga_id: UUID, decided_at: datetime | None = None) -> None:
        """Cancel the session; a repeat changes nothing. An unknown session gets a tombstone.

        A completed session is cancelled only if the cancel was decided before the lesson's end. Raises IllegalMove when
        the lesson took place, BadInput when the ids belong to another session.
        """
        record = await self._store.cancel(session_id, saga_id, decided_at)
        _must_match(record, session_id, saga_id)
        check_move(record.status, Status.CANCELLED)

    async def complete(self, session_id: UUID) -> Session:
        """Complete the session, for its tutor, an admin or a service; a repeat changes nothing.

        Raises NotFound, Forbidden (for its student), IllegalMove when it is cancelled or its lesson is not over.
        """
        call = calls.current()
        tutor = None if call.speaks_for() else call.require_person().id
        found = await self._store.complete(session_id, tutor)
        session = _must_be_visible(found.session if found else None)
        call.must_speak_for(session.lesson.tutor_id)
        if session.status is Status.CONFIRMED:
            raise IllegalMove("the lesson is not over yet")
        check_move(session.status, Status.COMPLETED)
        return session

    async def get(self, session_id: UUID) -> Session:
        """The caller's session. Raises NotFound, also for another person's."""
        return _must_be_visible(await self._store.find(session_id))

    async def get_many(self, session_ids: Sequence[UUID]) -> list[Session]:
        """The caller's sessions among these ids, in no order."""
        return [session for session in await self._store.find_many(session_ids) if _is_visible(session)]

    async def list_of_person(self, listing: Listing, behind: tuple[datetime, UUID] | None, most: int) -> list[Session]:
        """A person's sessions. Raises Forbidden unless the caller speaks for that person."""
        calls.current().must_speak_for(listing.person)
        return await self._store.list_of_person(listing, behind, most)

    async def list_all(self, status: str | None, after_id: UUID | None, most: int) -> list[Session]:
        """Everybody's sessions, in id order. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_all(status, after_id, most)

    async def list_of(self, ids: Sequence[UUID]) -> list[Session]:
        """Everybody's sessions that have one of these ids or sagas. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_of(ids)

    async def list_changed_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """The ids of sagas whose sessions have changed since the mark. Raises BadInput."""
        return await self._store.stamps.list_ids(mark, token, most)


def _must_be_ops() -> None:
    call = calls.current()
    if call.person is not None or call.service != "ops":
        raise Forbidden("only ops, on its own behalf, lists everybody's")


def _must_match(record: Record, session_id: UUID, saga_id: UUID) -> None:
    """Raises BadInput when the record is another session, which has the same saga or only the same booking."""
    if record.id == session_id and record.saga_id == saga_id:
        return
    shared = "saga_id" if record.id == session_id or record.saga_id == saga_id else "booking_id"
    raise BadInput("belongs to another session", field=shared)


def _must_be_visible(record: Record | None) -> Session:
    """The caller's session. Raises NotFound for a tombstone, and for another person's session."""
    if not isinstance(record, Session) or not _is_visible(record):
        raise NotFound
    return record


def _is_visible(session: Session) -> bool:
    return calls.current().speaks_for(session.lesson.student_id, session.lesson.tutor_id)
