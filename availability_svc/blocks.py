"""Time that a tutor takes out of their calendar, and gives back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from availability_svc.domain import Block, IdempotencyMismatch, SlotTaken, Span, Terms
from availability_svc.store import BlockStore
from mesh.database import Database
from mesh.errors import NotFound

Asked = tuple[Span, str]


class Blocks:
    """Blocks of one tutor, all or none at a time. A tutor needs no schedule to have them."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def block(self, tutor_id: UUID, asked: Sequence[Asked], request_id: UUID | None) -> list[Block]:
        """Take these spans out; each with its reason. A repeat of the request gives the first answer.

        Raises SlotTaken when a live hold, a lesson or a block lies in one, IdempotencyMismatch.
        """
        return await self._database.transaction(
            lambda connection: self._block(BlockStore(connection), tutor_id, asked, request_id)
        )

    async def remove(self, tutor_id: UUID, block_id: UUID) -> None:
        """Give a block's time back; once removed it stays removed. Raises NotFound."""
        await self._database.transaction(lambda connection: self._remove(BlockStore(connection), tutor_id, block_id))

    async def _block(
        self, store: BlockStore, tutor_id: UUID, asked: Sequence[Asked], request_id: UUID | None
    ) -> list[Block]:
        await store.lock(tutor_id)
        first = await store.of_request(tutor_id, request_id) if request_id else []
        if first:
            return _repeated(first, asked)
        in_the_way = await store.met(tutor_id, [span for span, _ in asked], self._terms.grace)
        if in_the_way.on_tutor:
            raise SlotTaken
        await store.evict(in_the_way.lapsed)
        blocks = [Block(uuid4(), span, reason) for span, reason in asked]
        await store.insert(tutor_id, blocks, request_id)
        return blocks

    async def _remove(self, store: BlockStore, tutor_id: UUID, block_id: UUID) -> None:
        await store.lock(tutor_id)
        if not await store.remove(tutor_id, block_id):
            raise NotFound


def _repeated(first: list[Block], asked: Sequence[Asked]) -> list[Block]:
    if [(block.span, block.reason) for block in first] != list(asked):
        raise IdempotencyMismatch
    return first
