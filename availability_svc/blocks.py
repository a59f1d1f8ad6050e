"""Blocks: time that a tutor takes out of the calendar, and may put back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from availability_svc.domain import Block, IdempotencyMismatch, SlotTaken, Span, TooManyBlocks
from availability_svc.limits import Terms
from availability_svc.store import BlockStore
from mesh.database import Database
from mesh.errors import BadInput, NotFound

WantedBlock = tuple[Span, str]
#: A tutor may have removed so many times the most live blocks since the sweeper last forgot removed ones.
REMEMBERED = 10


class Blocks:
    """The use cases of blocks. A tutor needs no schedule to block time."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def block(self, tutor_id: UUID, wanted: Sequence[WantedBlock], request_id: UUID | None) -> list[Block]:
        """Take these spans out, all or none, each with its reason. Repeating a request id returns the first blocks.

        Raises IdempotencyMismatch when the request id stands for other spans; BadInput for a span that has ended;
        TooManyBlocks; SlotTaken when a live hold, a lesson or a block lies in one of them.
        """
        return await self._database.transaction(
            lambda connection: self._block(BlockStore(connection), tutor_id, wanted, request_id)
        )

    async def remove(self, tutor_id: UUID, block_id: UUID) -> None:
        """Remove a block and free its time; removing it again changes nothing. Raises NotFound."""
        await self._database.transaction(lambda connection: self._remove(BlockStore(connection), tutor_id, block_id))

    async def list_coming(self, tutor_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Block]:
        """At most so many blocks behind a cursor that stand and have not ended, in order of their start."""
        return await self._database.statement(
            lambda connection: BlockStore(connection).list_coming(tutor_id, after, most)
        )

    async def _block(
        self, store: BlockStore, tutor_id: UUID, wanted: Sequence[WantedBlock], request_id: UUID | None
    ) -> list[Block]:
        await store.lock(tutor_id)
        first = await store.find_of_request(tutor_id, request_id) if request_id else []
        if first:
            return _must_repeat(first, wanted)
        _must_be_ahead(wanted, await store.read_clock())
        live, remembered = await store.count(tutor_id)
        most = self._terms.limits.blocks
        if live + len(wanted) > most or remembered + len(wanted) > REMEMBERED * most:
            raise TooManyBlocks
        conflicts = await store.find_conflicts(tutor_id, [span for span, _ in wanted], self._terms.grace)
        if conflicts.on_tutor:
            raise SlotTaken
        await store.evict(conflicts.lapsed)
        blocks = [Block(uuid4(), span, reason) for span, reason in wanted]
        await store.insert(tutor_id, blocks, request_id)
        return blocks

    async def _remove(self, store: BlockStore, tutor_id: UUID, block_id: UUID) -> None:
        await store.lock(tutor_id)
        if not await store.remove(tutor_id, block_id):
            raise NotFound


def _must_be_ahead(wanted: Sequence[WantedBlock], now: datetime) -> None:
    """Raises BadInput for a span that has ended: a block of it would take no time out."""
    for index, (span, _) in enumerate(wanted):
        if span.end <= now:
            raise BadInput("must be ahead", field=f"blocks[{index}].end")


def _must_repeat(first: list[Block], wanted: Sequence[WantedBlock]) -> list[Block]:
    if [(block.span, block.reason) for block in first] != list(wanted):
        raise IdempotencyMismatch
    return first
