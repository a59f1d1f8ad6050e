"""The engine: begins sagas, drives them under a lease, joins callers to drives, recovers what its owner left.

A drive belongs to this process, not to the caller: a caller who leaves changes nothing. Whoever loses the fence stops
and answers from the row.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from mesh import calls
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain
from mesh.logs import log
from payment_svc.domain import Move, NeedsAPerson, Saga, State
from payment_svc.selling.definition import Kind
from payment_svc.selling.purchase import Halted, StillOwed, as_error
from payment_svc.store import SagaStore

COMMIT_TRIES = 4
RENEW_FRACTION = 0.25  # of the lease: each second of four
POLL_SECONDS = 0.25  # a lease, a poll and a claim together stay under five seconds
BATCH = 50
CONCURRENT_DRIVES = 64
#: Drives of this process, whoever began them; a caller who leaves does not end the drive that was begun for them.
MOST_DRIVES = 512
BACKOFF_FIRST, BACKOFF_CAP, BACKOFF_LATE, LATE_AFTER = 1.0, 30.0, 300.0, 600.0
PARK_AFTER_SECONDS = 24 * 3600
JOIN_POLL_FIRST, JOIN_POLL_CAP = 0.02, 0.2
#: How long one who has no deadline waits for a saga.
MOST_WAITING_SECONDS = 30.0


class Engine:
    """Drives the sagas of the kinds it is given."""

    def __init__(self, store: SagaStore, kinds: Sequence[Kind], lease_seconds: float) -> None:
        self.store = store
        self._kinds = {(kind.kind, kind.version): kind for kind in kinds}
        self._lease = lease_seconds
        self._drives: dict[UUID, asyncio.Task[Saga]] = {}  # the newest of each saga
        self._running: set[asyncio.Task[Saga]] = set()  # and those that have lost theirs, but do not know it yet
        self._room = asyncio.Semaphore(CONCURRENT_DRIVES)

    @property
    def is_full(self) -> bool:
        """True while no more should be begun here."""
        return len(self._drives) >= MOST_DRIVES

    def admit(self) -> None:
        """Raises Overloaded when this process drives as many sagas as it may. Ask before anything is begun."""
        if self.is_full:
            raise Overloaded

    def start(self, saga: Saga) -> asyncio.Task[Saga]:
        """Drive a saga whose lease we hold, in a task of this process, until it rests or the fence is lost."""
        task = asyncio.get_running_loop().create_task(self._in_background(saga), name=f"saga {saga.id}")
        self._drives[saga.id] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._forget(saga.id, done))
        return task

    def _forget(self, saga_id: UUID, done: asyncio.Task[Saga]) -> None:
        self._running.discard(done)
        if self._drives.get(saga_id) is done:
            del self._drives[saga_id]
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Refusal):  # the database is away or full: whoever finds it back goes on after the lease
            log().warning("drive_interrupted", saga_id=str(saga_id), error=str(error))
        elif error is not None:
            log().error("drive_crashed", saga_id=str(saga_id), exc_info=error)

    async def _in_background(self, saga: Saga) -> Saga:
        with calls.background(calls.current().request_id):
            async with self._renewed(saga):
                return await self._drive(saga)

    async def _drive(self, saga: Saga) -> Saga:
        while True:
            move = await self._next_move(saga)
            moved = await self._commit(saga, move)
            if moved is None:
                row = await self.store.get(saga.id)
                assert row is not None
                if row.fence != saga.fence:
                    log().warning("fence_lost", saga_id=str(saga.id), state=row.state)
                    return row
                if row.lease_owner is None:  # the move was made, though nobody answered
                    return row
                saga = replace(row, hold_ends_monotonic=None)  # news, or a move whose answer was lost: look again
                continue
            if moved.lease_owner is None:
                return moved
            saga = moved

    async def _commit(self, saga: Saga, move: Move) -> Saga | None:
        """Commit a move; one that the schema refuses becomes a rest, so that it is seen and not repeated at once.

        A database that is away for a moment is waited for, while the lease lasts; the repeat of a move that was
        committed without an answer changes nothing.
        """
        for tries_left in reversed(range(COMMIT_TRIES)):
            try:
                return await self.store.move(move)
            except TryAgain:
                if not tries_left:
                    raise
                await asyncio.sleep(self._lease / 2 / COMMIT_TRIES)
            except Refusal:
                raise
            except Exception as error:
                log().error("move_refused", alert=True, saga_id=str(saga.id), to=move.state, exc_info=error)
                return await self.store.move(self._rest(saga, error))
        raise AssertionError("the last try returns or raises")

    async def _next_move(self, saga: Saga) -> Move:
        try:
            return await self._kinds[saga.kind, saga.version].advance(saga)
        except Halted as halt:
            return self._interrupted(halt.saga, halt.error)
        except Exception as error:
            return self._interrupted(saga, error)

    def _interrupted(self, saga: Saga, error: Exception) -> Move:
        if not isinstance(error, Refusal | CallFailed | StillOwed | NeedsAPerson):
            log().error("phase_crashed", saga_id=str(saga.id), state=saga.state, exc_info=error)
        return self._rest(saga, error)

    def _rest(self, saga: Saga, error: Exception) -> Move:
        """Sleep and try again; after a day a person must look."""
        log().warning("saga_backs_off", saga_id=str(saga.id), state=saga.state, attempt=saga.attempt, error=str(error))
        if saga.seconds_in_state > PARK_AFTER_SECONDS or isinstance(error, NeedsAPerson):
            log().error("saga_parked", alert=True, saga_id=str(saga.id), state=saga.state, error=str(error))
            parked = saga.knowing(parked_from=saga.state.value)
            return Move(parked, State.PARKED, "parked", str(error)[:500], error=as_error(error))
        seconds = backoff(saga.attempt, saga.seconds_in_state)
        return Move(saga, saga.state, "", sleep=seconds, failed_attempt=True, error=as_error(error))

    @contextlib.asynccontextmanager
    async def _renewed(self, saga: Saga) -> AsyncIterator[None]:
        """Renew the lease each second once a drive has lasted two."""

        async def renew() -> None:
            await asyncio.sleep(self._lease * RENEW_FRACTION)
            while True:
                await asyncio.sleep(self._lease * RENEW_FRACTION)
                with contextlib.suppress(Refusal):
                    if not await self.store.renew(saga):
                        return

        task = asyncio.get_running_loop().create_task(renew())
        try:
            yield
        finally:
            task.cancel()

    def drives(self, saga: Saga) -> bool:
        """True for sagas of a kind and version that this process can drive."""
        return (saga.kind, saga.version) in self._kinds

    async def settle(self, saga_id: UUID, settled: Callable[[Saga], bool]) -> Saga:
        """The saga once it is settled; drives it on when nobody does.

        Raises TryAgain at the caller's deadline, and after half a minute when there is none. A drive that only backs off
        again ends the wait too: the caller gets the row and judges its error.
        """
        pause, waited = JOIN_POLL_FIRST, 0.0
        while waited < MOST_WAITING_SECONDS:
            running = self._drives.get(saga_id)
            if running is not None:
                saga = await self._awaited(running)
                if settled(saga) or saga.lease_owner is None:
                    return saga
            row = await self.store.get(saga_id)
            assert row is not None
            if settled(row) or row.state is State.PARKED:
                return row
            may_drive = self.drives(row) and not row.is_leased
            claimed = await self.store.claim_free(row) if may_drive else None
            if claimed is not None:
                self.start(claimed)
                continue
            await self._pause(pause)
            waited, pause = waited + pause, min(pause * 2, JOIN_POLL_CAP)
        raise TryAgain

    async def _awaited(self, drive: asyncio.Task[Saga]) -> Saga:
        left = calls.remaining()
        try:
            async with asyncio.timeout(
                MOST_WAITING_SECONDS if left is None else left
            ):  # wait_for can lose a cancel (3.11)
                return await asyncio.shield(drive)
        except TimeoutError as error:
            raise TryAgain from error

    async def _pause(self, seconds: float) -> None:
        left = calls.remaining()
        await asyncio.sleep(seconds if left is None else min(seconds, left))

    async def recover_once(self) -> int:
        """Own and drive what is due; how many. Candidates are read without locks, each claim is a compare-and-set."""
        found = await self.store.due(BATCH, frozenset(self._kinds))
        started = 0
        for saga_id, fence in found:
            if saga_id in self._drives:
                continue
            await self._room.acquire()
            saga = await self._claimed(saga_id, fence)
            if saga is None:
                self._room.release()
                continue
            started += 1
            self.start(saga).add_done_callback(lambda _: self._room.release())
        return started

    async def _claimed(self, saga_id: UUID, fence: int) -> Saga | None:
        try:
            return await self.store.claim_due(saga_id, fence)
        except BaseException:
            self._room.release()
            raise

    async def recover_forever(self) -> None:
        """Poll for due sagas until cancelled; a database that is away is waited for."""
        await forever("recover", self.recover_once, POLL_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Let the drives of this process come to rest; what does not is recovered after its lease."""
        if self._running:
            _, pending = await asyncio.wait(set(self._running), timeout=seconds)
            for drive in pending:
                drive.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


def backoff(attempt: int, seconds_in_state: float) -> float:
    """Seconds until the next try: 1 s × 2ⁿ with jitter, at most 30 s in the first 10 minutes, then 5 minutes."""
    if seconds_in_state > LATE_AFTER:
        return BACKOFF_LATE * random.uniform(0.8, 1.2)  # noqa: S311 - jitter is no secret
    return min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)  # noqa: S311


async def forever(name: str, work: Callable[[], Coroutine[Any, Any, Any]], pause: float) -> None:
    """Do `work` again and again with a pause between; its errors are logged and never end the loop."""
    while True:
        with calls.background():
            try:
                busy = await work()
            except (Refusal, CallFailed) as error:
                log().warning(f"{name}_failed", error=str(error))
                busy = False
            except Exception as error:
                log().error(f"{name}_crashed", exc_info=error)
                busy = False
        await asyncio.sleep(0 if busy else pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret
