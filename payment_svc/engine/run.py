"""One run of one saga: the next transition, its commit, and again, until the saga waits, sleeps, ends, or is parked.

A run owns the saga by a lease. Every commit names the fence; a run that has lost it stops and changes nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from mesh import about, tracing
from mesh.errors import CallFailed, Refusal, TryAgain, describe
from mesh.logs import log
from mesh.loops import back_off_seconds
from payment_svc import metrics
from payment_svc.domain import NeedsAPerson, NotYet, Saga, SagaError, State, Transition
from payment_svc.engine.definition import Halted, Kind
from payment_svc.store import SagaStore

COMMIT_TRIES = 4
RENEW_FRACTION = 0.25  # of the lease: each second of four
PARK_AFTER_SECONDS = 24 * 3600


class Runner:
    """Runs sagas of the kinds it is given."""

    def __init__(self, store: SagaStore, kinds: Mapping[tuple[str, int], Kind], lease_seconds: float) -> None:
        self._store, self._kinds, self._lease = store, kinds, lease_seconds

    async def run(self, saga: Saga) -> Saga:
        """Run a saga whose lease we hold until it gives the lease up, or the fence is lost; the row then."""
        while True:
            about.bind(saga.ids)
            with tracing.span(f"{saga.kind} {saga.state}"):
                transition = await self._next_transition(saga)
                tracing.mark(f"{tracing.PREFIX}next_state", transition.state)
                committed = await self._commit(saga, transition)
            if committed is None:
                row = await self._store.get(saga.id)
                assert row is not None
                if row.fence != saga.fence:
                    metrics.FENCES_LOST.inc()
                    log().info("fence_lost", saga_id=str(saga.id), state=row.state)
                    return row
                if row.lease_owner is None:  # the transition was committed, but its answer was lost
                    return row
                saga = row  # a signal came, or the answer to a commit was lost: look again
                continue
            committed = committed.recalling(transition.saga)
            if committed.lease_owner is None:
                return committed
            saga = committed

    async def _next_transition(self, saga: Saga) -> Transition:
        try:
            return await self._kinds[saga.kind, saga.version].advance(saga)
        except Halted as halt:
            return self.handle_failure(halt.saga, halt.error)
        except Exception as error:
            return self.handle_failure(saga, error)

    async def _commit(self, saga: Saga, transition: Transition) -> Saga | None:
        """Commit a transition; None when we are stale.

        While the lease lasts, this waits for a database that is away. Repeating a commit changes nothing. A transition
        that the schema refuses becomes a back-off, so that somebody sees it and it is not repeated at once.
        """
        for tries_left in reversed(range(COMMIT_TRIES)):
            try:
                return await self._store.commit(transition)
            except TryAgain:
                if not tries_left:
                    raise
                await asyncio.sleep(self._lease / 2 / COMMIT_TRIES)
            except Refusal:
                raise
            except Exception as error:
                log().error("move_refused", alert=True, saga_id=str(saga.id), to=transition.state, exc_info=error)
                return await self._store.commit(back_off_or_park(saga, error))
        raise AssertionError("the last try returns or raises")

    def handle_failure(self, saga: Saga, error: Exception) -> Transition:
        """The transition after a failure. An error that nobody expects is logged with its traceback."""
        if not isinstance(error, Refusal | CallFailed | NotYet | NeedsAPerson):
            log().error("phase_crashed", saga_id=str(saga.id), state=saga.state, exc_info=error)
        return back_off_or_park(saga, error)

    @contextlib.asynccontextmanager
    async def renew_lease(self, saga: Saga) -> AsyncIterator[None]:
        """Within, the lease is renewed: every quarter of its term, for the first time after two quarters."""

        async def renew() -> None:
            await asyncio.sleep(self._lease * RENEW_FRACTION)
            while True:
                await asyncio.sleep(self._lease * RENEW_FRACTION)
                with contextlib.suppress(Refusal):
                    if not await self._store.renew(saga):
                        return

        task = asyncio.get_running_loop().create_task(renew())
        try:
            yield
        finally:
            task.cancel()


def back_off_or_park(saga: Saga, error: Exception) -> Transition:
    """Sleep and try again. After a day, or when only a person can decide, the saga is parked and an alert is logged."""
    kept, told = SagaError.of(error), {"saga_id": str(saga.id), "state": saga.state, **describe(error)}
    if saga.seconds_in_state > PARK_AFTER_SECONDS or isinstance(error, NeedsAPerson):
        log().error("saga_parked", alert=True, **told)
        parked = replace(saga, parked_from=saga.state)
        return Transition(parked, State.PARKED, "parked", str(error)[:500], error=kept)
    is_normal = isinstance(error, NotYet)  # money on its way back, which its provider takes days for
    (log().info if is_normal else log().warning)("saga_backs_off", attempt=saga.attempt, **told)
    seconds = back_off_seconds(saga.attempt, saga.seconds_in_state)
    return Transition(saga, saga.state, "", retry_in=seconds, has_failed=True, error=kept)
