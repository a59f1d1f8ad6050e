"""Idempotency keys in PostgreSQL: a student's key names the saga of its first use for 24 h."""

from __future__ import annotations

from uuid import UUID

from mesh.database import Database
from mesh.statements import text
from payment_svc.domain import Order, Saga
from payment_svc.store.rows import to_saga

_BY_KEY = text("""
    select s.*, clock_timestamp() as loaded_at, k.request_hash as key_hash,
           k.created_at < clock_timestamp() - interval '24 hours' as key_is_old
    from idempotency_key k join saga s on s.id = k.saga_id where k.student_id = :student and k.key = :key
""")
_FORGET_KEY = text("delete from idempotency_key where student_id = :student and key = :key and saga_id = :saga")
_REMEMBER_KEY = text("""
    insert into idempotency_key (student_id, key, saga_id, request_hash) values (:student, :key, :saga, :hash)
    on conflict do nothing
""")
_FORGET_OLD_KEYS = text("""
    delete from idempotency_key where (student_id, key) in (
        select student_id, key from idempotency_key
        where created_at < now() - interval '25 hours' limit :most
    ) returning key
""")


class KeyStore:
    """The other statements about keys. A key is written by SagaStore.begin, and freed by the commit that rejects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def saga_of(self, student_id: UUID, key: str) -> tuple[Saga, bytes, bool] | None:
        """The saga that was begun under this key, the hash of that request, and whether the key is older than 24 h."""
        rows = await self._database.rows(_BY_KEY, {"student": student_id, "key": key})
        return (to_saga(rows[0]), rows[0].key_hash, rows[0].key_is_old) if rows else None

    async def forget(self, order: Order, saga_id: UUID) -> None:
        """Free the order's idempotency key, if it still names this saga."""
        await self._database.rows(_FORGET_KEY, {"student": order.student_id, "key": order.key, "saga": saga_id})

    async def remember(self, order: Order, saga_id: UUID, digest: bytes) -> None:
        """Let the order's key name a saga that another request began. A key that exists stays as it is."""
        values = {"student": order.student_id, "key": order.key, "saga": saga_id, "hash": digest}
        await self._database.rows(_REMEMBER_KEY, values)

    async def forget_old(self, most: int) -> int:
        """Delete keys older than 25 hours, at most so many; how many were deleted."""
        return len(await self._database.rows(_FORGET_OLD_KEYS, {"most": most}))
