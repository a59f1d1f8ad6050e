"""The engine: the runs of this process. It starts them, lets callers wait for them, and recovers what other owners left.

A run belongs to this process and not to the caller: a caller who leaves changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from mesh import about, calls, tracing
from mesh.errors import Overloaded, Refusal, TryAgain, describe
from mesh.logs import log
from mesh.loops import run_forever
from payment_svc import metrics
from payment_svc.domain import Saga, State
from payment_svc.engine.definition import Kind
from payment_svc.engine.run import Runner
from payment_svc.store import SagaStore

POLL_SECONDS = 0.25  # a lease, a poll and a claim together stay under five seconds
BATCH = 50
#: Runs that recovery may have begun at the same time.
MOST_RECOVERED = 64
#: Runs of this process, whoever began them. A caller who leaves does not end a run.
MOST_RUNS = 512
JOIN_POLL_FIRST, JOIN_POLL_CAP = 0.02, 0.2
#: How long a caller without a deadline waits for a saga.
MOST_WAITING_SECONDS = 30.0


class Engine:
    """Runs the sagas of the kinds it is given."""

    def __init__(self, store: SagaStore, kinds: Sequence[Kind], lease_seconds: float) -> None:
        self._store = store
        self.kinds = {(kind.kind, kind.version): kind for kind in kinds}
        self.runner = Runner(store, self.kinds, lease_seconds)
        self._runs: dict[UUID, asyncio.Task[Saga]] = {}  # the newest run of each saga
        self._tasks: set[asyncio.Task[Saga]] = set()  # all runs, also those that have lost the fence unknowingly
        self._recovery_slots = asyncio.Semaphore(MOST_RECOVERED)

    @property
    def is_full(self) -> bool:
        """True while no more runs should begin here."""
        return len(self._runs) >= MOST_RUNS

    def refuse_when_full(self) -> None:
        """Raises Overloaded when this process has as many runs as it may. Ask before anything is begun."""
        if self.is_full:
            raise Overloaded

    def can_run(self, saga: Saga) -> bool:
        """True for sagas of a kind and version that this process knows."""
        return (saga.kind, saga.version) in self.kinds

    def start(self, saga: Saga) -> asyncio.Task[Saga]:
        """Run a saga whose lease we hold, in a task of this process."""
        task = asyncio.get_running_loop().create_task(self._run_in_background(saga), name=f"saga {saga.id}")
        self._runs[saga.id] = task
        self._tasks.add(task)
        metrics.RUNS.inc()
        task.add_done_callback(lambda done: self._forget(saga, done))
        return task

    async def _run_in_background(self, saga: Saga) -> Saga:
        background = calls.background(calls.current().request_id)
        with background, about.about(saga.ids), tracing.span(saga.kind, links=_links(saga)):
            async with self.runner.renew_lease(saga):
                return await self.runner.run(saga)

    def _forget(self, saga: Saga, done: asyncio.Task[Saga]) -> None:
        self._tasks.discard(done)
        metrics.RUNS.dec()
        if self._runs.get(saga.id) is done:
            del self._runs[saga.id]
        error = None if done.cancelled() else done.exception()
        with about.about(saga.ids):
            if isinstance(error, Refusal):  # the database is away or full: recovery goes on after the lease
                log().warning("drive_interrupted", **describe(error))
            elif error is not None:
                log().error("drive_crashed", exc_info=error)

    async def wait_until(self, saga_id: UUID, is_so: Callable[[Saga], bool]) -> Saga:
        """Wait until `is_so(saga)`, and return the saga. Claims and runs it when no process owns it.

        Raises TryAgain at the caller's deadline, or after half a minute when there is none. The wait also ends when a
        run backs off or parks the saga: the caller gets the row and judges its error.
        """
        pause, waited = JOIN_POLL_FIRST, 0.0
        while waited < MOST_WAITING_SECONDS:
            running = self._runs.get(saga_id)
            if running is not None:
                saga = await self._join(running)
                if is_so(saga) or saga.lease_owner is None:
                    return saga
            row = await self._store.get(saga_id)
            assert row is not None
            if is_so(row) or row.state is State.PARKED:
                return row
            may_run = self.can_run(row) and not row.is_leased
            claimed = await self._store.claim_free(row) if may_run else None
            if claimed is not None:
                _count_take_over(claimed, was_leased=row.lease_owner is not None)
                self.start(claimed)
                continue
            await self._pause(pause)
            waited, pause = waited + pause, min(pause * 2, JOIN_POLL_CAP)
        raise TryAgain

    async def _join(self, run: asyncio.Task[Saga]) -> Saga:
        left = calls.remaining()
        try:
            async with asyncio.timeout(MOST_WAITING_SECONDS if left is None else left):  # wait_for can lose a cancel
                return await asyncio.shield(run)
        except TimeoutError as error:
            raise TryAgain from error

    async def _pause(self, seconds: float) -> None:
        left = calls.remaining()
        await asyncio.sleep(seconds if left is None else min(seconds, left))

    async def recover_once(self) -> int:
        """Claim and run what is due; how many. Candidates are read without locks, each claim is a compare-and-set."""
        started = 0
        for saga_id, fence, was_leased in await self._store.due(BATCH, frozenset(self.kinds)):
            if saga_id in self._runs:
                continue
            await self._recovery_slots.acquire()
            saga = await self._claim(saga_id, fence)
            if saga is None:
                self._recovery_slots.release()
                continue
            started += 1
            _count_take_over(saga, was_leased=was_leased)
            self.start(saga).add_done_callback(lambda _: self._recovery_slots.release())
        return started

    async def _claim(self, saga_id: UUID, fence: int) -> Saga | None:
        try:
            return await self._store.claim_due(saga_id, fence)
        except BaseException:
            self._recovery_slots.release()
            raise

    async def recover_forever(self) -> None:
        """Poll for due sagas until cancelled. While the database is away, this waits for it."""
        await run_forever("recover", self.recover_once, POLL_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Wait until the runs of this process have ended, at most so long. Recovery goes on with the others."""
        if self._tasks:
            _, pending = await asyncio.wait(set(self._tasks), timeout=seconds)
            for run in pending:
                run.cancel()
            await asyncio.gather(*pending, return_exceptions=True)


def _count_take_over(claimed: Saga, *, was_leased: bool) -> None:
    """Nobody claims a saga under a living lease: one that still names an owner was left by it."""
    if was_leased:
        metrics.TAKEN_OVER.labels(claimed.kind).inc()


def _links(saga: Saga) -> tuple[str, ...]:
    """The trace in which the saga was begun, when this run belongs to another one."""
    here = tracing.trace_id()
    return () if here and here in saga.traceparent else (saga.traceparent,)
