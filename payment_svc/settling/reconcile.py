"""Reconcile: ask the providers about everything of which a webhook may be lost, so that a loss costs minutes, not money.

Two rounds at the same time are safe: a round only signals and runs sagas, and commits name the fence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from mesh import tracing
from mesh.about import about
from mesh.errors import Refusal
from mesh.logs import log
from payment_svc import metrics
from payment_svc.domain import Intent, ProviderEvent, Refund, Saga, State
from payment_svc.domain.owed import owed_after_end
from payment_svc.engine.engine import Engine
from payment_svc.providers.port import NoSuchIntent, OutcomeUnknown, ProviderRefused
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Providers
from payment_svc.settling.late_payments import LatePayments, RefundNotDone, is_left_to_us
from payment_svc.settling.verdicts import DISPUTES, LATER, knows_less
from payment_svc.settling.webhooks import Webhooks
from payment_svc.store import Stores

PAGE = 100
#: Questions to the provider at the same time. Stripe allows a hundred a second.
AT_ONCE = 8
STALE_SECONDS = 120
#: How long a webhook may be on its way.
WEBHOOK_SECONDS = 10.0
LOOP_WINDOW, COMMAND_WINDOW = 2 * 3600, 7 * 24 * 3600
MOST_INTENTS = MOST_EVENTS = 5000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a round did: things examined, sagas that moved, sagas that woke, orphaned intents and late payments."""

    examined: int = 0
    moved: int = 0
    woken: int = 0
    orphaned: int = 0

    @property
    def found(self) -> int:
        """What the round has set right."""
        return self.moved + self.orphaned

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True)))


class Stage(StrEnum):
    """The parts of a round, in its order. The values are parts of public page tokens."""

    WAITING = "waiting"  # sagas that await their payment
    REFUNDS = "refunds"  # pending refunds
    ORPHANED = "strays"  # orphaned intents and late payments
    MISSED_EVENTS = "untold"  # refunds and disputes of which no webhook came
    BACKING_OFF = "sleeping"  # sagas that back off


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a round has come: a stage, and the last id of it that was seen."""

    stage: Stage = Stage.WAITING
    after: UUID | None = None

    def advance(self, seen: Sequence[UUID]) -> Cursor | None:
        """The cursor after a page of ids: in this stage while the page was full, else the next stage; None at the end."""
        if len(seen) == PAGE:
            return Cursor(self.stage, seen[-1])
        stages = list(Stage)
        later = stages[stages.index(self.stage) + 1 :]
        return Cursor(later[0]) if later else None


@dataclass(frozen=True, slots=True)
class Scope:
    """How many seconds something must be open before it is asked about, and how many seconds of history are read.

    An event is left to its webhook for `event_older_than` seconds.
    """

    older_than: float
    window: float
    event_older_than: float = 0


LOOP, COMMAND = Scope(STALE_SECONDS, LOOP_WINDOW, WEBHOOK_SECONDS), Scope(0, COMMAND_WINDOW)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The use case of the loop and of the command."""

    engine: Engine
    stores: Stores
    providers: Providers
    refunds: Refunds
    late_payments: LatePayments
    webhooks: Webhooks

    async def run_round(self) -> Counts:
        """The loop's round: what has been open for two minutes. It wakes no saga that backs off."""
        counts = await self._run(Stage.MISSED_EVENTS, LOOP)
        metrics.ROUND_AT.set_to_current_time()
        return counts

    async def run_everything(self) -> Counts:
        """The command's round: every open payment whatever its age, and every saga that backs off."""
        return await self._run(Stage.BACKING_OFF, COMMAND)

    async def run_page(self, cursor: Cursor) -> tuple[Counts, Cursor | None]:
        """One page of the command's round, and where the next page begins."""
        return await self._run_page(cursor, COMMAND)

    async def _run(self, last: Stage, scope: Scope) -> Counts:
        counts, cursor = Counts(), Cursor()
        while True:
            more, next_cursor = await self._run_page(cursor, scope)
            counts += more
            if next_cursor is None or (cursor.stage is last and next_cursor.stage is not last):
                return counts
            cursor = next_cursor

    async def _run_page(self, cursor: Cursor, scope: Scope) -> tuple[Counts, Cursor | None]:
        counts, seen = await self._run_stage(cursor, scope)
        if counts.found:
            metrics.FOUND.labels(cursor.stage.value).inc(counts.found)
        if counts.moved or counts.orphaned:
            log().info("reconciled", examined=counts.examined, moved=counts.moved, strays=counts.orphaned)
        return counts, cursor.advance(seen)

    async def _run_stage(self, cursor: Cursor, scope: Scope) -> tuple[Counts, Sequence[UUID]]:
        """A page of a stage, and the ids on it. Orphaned intents and missed events are one page each."""
        match cursor.stage:
            case Stage.WAITING:
                return await self._check_waiting(scope.older_than, cursor.after)
            case Stage.REFUNDS:
                return await self._check_refunds(scope.older_than, cursor.after)
            case Stage.ORPHANED:
                return await self._settle_orphaned(scope.window), ()
            case Stage.MISSED_EVENTS:
                return await self._take_missed_events(scope), ()
        woken = await self.stores.operators.wake_backing_off(cursor.after, PAGE)
        return Counts(woken=len(woken)), woken

    async def _check_waiting(self, older_than: float, after: UUID | None) -> tuple[Counts, Sequence[UUID]]:
        page = await self.stores.sagas.waiting(older_than, after, PAGE)
        moved = await run_few_at_once([self._check(saga) for saga in page])
        return Counts(len(page), sum(moved)), [saga.id for saga in page]

    async def _check(self, saga: Saga) -> bool:
        """Run a waiting saga when its intent shows something new."""
        assert saga.payment_intent_id is not None
        with about(saga.ids), tracing.span("reconcile payment", links=(saga.traceparent,)):
            return await self._check_intent(saga, saga.payment_intent_id)

    async def _check_intent(self, saga: Saga, intent_id: str) -> bool:
        try:
            is_news = knows_less(saga, await self.providers.retrieve_intent(intent_id))
        except NoSuchIntent:
            is_news = True
        except (OutcomeUnknown, ProviderRefused) as error:
            log().warning("not_reconciled", saga_id=str(saga.id), error=str(error))
            return False
        if not is_news:
            return False
        if self.engine.is_full:  # a replica that has capacity runs it
            return await self.stores.sagas.signal(saga.id)
        claimed = await self.stores.sagas.claim_free(saga) if self.engine.can_run(saga) else None
        if claimed is not None:
            self.engine.start(claimed)
        return claimed is not None

    async def _check_refunds(self, older_than: float, after: UUID | None) -> tuple[Counts, Sequence[UUID]]:
        page = await self.stores.refunds.pending(older_than, after, PAGE)
        moved = await run_few_at_once([self._ask(refund) for refund in page])
        return Counts(len(page), sum(moved)), [refund.id for refund in page]

    async def _ask(self, refund: Refund) -> bool:
        """True when the provider tells another status of a refund than we had. One that it refuses is settled."""
        saga = await self.stores.sagas.get(refund.saga_id)
        ids, links = (saga.ids, (saga.traceparent,)) if saga else ({}, ())
        with about({**ids, **refund.ids}), tracing.span("reconcile refund", links=links):
            return await self._ask_provider(refund)

    async def _ask_provider(self, refund: Refund) -> bool:
        try:
            return await self.refunds.make_or_check(refund) is not refund.status
        except OutcomeUnknown as error:
            log().warning("not_reconciled", refund_id=str(refund.id), error=str(error))
            return False
        except ProviderRefused:
            return await self._settle_now(refund.saga_id, refund.payment_intent_id)

    async def _settle_orphaned(self, window: float) -> Counts:
        """Settle intents that carry our saga's id but are not the saga's, and payments of sagas that have ended."""
        seen = settled = 0
        async for page in self.providers.recent_intents(window):
            seen += len(page)
            sold = await self.stores.sagas.completed_with([intent.id for intent in page])
            for intent in page:
                if intent.saga_id is not None and not intent.canceled and intent.id not in sold:
                    settled += await self._settle(intent.saga_id, intent)
            if seen >= MOST_INTENTS:
                break
        return Counts(orphaned=settled)

    async def _take_missed_events(self, scope: Scope) -> Counts:
        """Refunds and disputes of which no webhook came are judged as if it had."""
        seen = examined = 0
        made_before = time.time() - scope.event_older_than
        async for page in self.providers.recent_events(LATER, scope.window):
            seen += len(page)
            ids = await self.stores.events.unknown([event.id for event in page if event.created <= made_before])
            unknown = [event for event in reversed(page) if event.id in ids]
            untold = await self._find_untold(unknown)
            for event in unknown:
                told = {"saga_id": event.saga_id, "intent_id": event.intent_id}
                with about(told), tracing.span("reconcile event"):
                    await self._take(event, is_untold=event in untold)
            examined += len(unknown)
            if seen > MOST_EVENTS:
                break
        return Counts(examined)

    async def _find_untold(self, unknown: Sequence[ProviderEvent]) -> list[ProviderEvent]:
        """Those of these events of which no webhook has told, as far as can be seen.

        An event that changed nothing when its webhook came is not stored. Others of the same refund or dispute are.
        """
        stored = await self.stores.events.stored_types([event.intent_id for event in unknown])
        told = {(intent_id, kind in DISPUTES) for intent_id, kind in stored if kind in LATER}
        return [event for event in unknown if (event.intent_id, event.type in DISPUTES) not in told]

    async def _take(self, event: ProviderEvent, *, is_untold: bool) -> None:
        """Judge an event. One that fails keeps no other from its turn, and is asked about again in the next round."""
        try:
            await self.webhooks.take(event, source="reconcile", is_untold=is_untold)
        except Refusal:
            raise
        except Exception as error:
            log().error("event_crashed", event_id=event.id, type=event.type, exc_info=error)

    async def _settle(self, saga_id: UUID, intent: Intent) -> bool:
        """Settle an intent that our own rows call unsettled. The provider is asked about no other."""
        saga = await self.stores.sagas.by_intent(intent.id, saga_id)
        if saga is None or (saga.state is State.COMPLETED and intent.id == saga.payment_intent_id):
            return False
        if not is_left_to_us(saga, intent, None):
            return False
        if intent.succeeded:
            known = await self.stores.refunds.of_intent(intent.id)
            if owed_after_end(saga, None, intent, known) is None:
                return False
        return await self._settle_now(saga_id, intent.id)

    async def _settle_now(self, saga_id: UUID, intent_id: str) -> bool:
        with about({"saga_id": saga_id, "intent_id": intent_id}), tracing.span("reconcile late payment"):
            try:
                return await self.late_payments.settle(saga_id, intent_id)
            except RefundNotDone as error:  # it is on its way
                log().info("not_reconciled", error=str(error))
            except (OutcomeUnknown, ProviderRefused) as error:
                log().warning("not_reconciled", error=str(error))
            return True


async def run_few_at_once(questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all questions, AT_ONCE of them at a time; their answers in order. Raises the first error among them."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask(question: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await question

    answers = await asyncio.gather(*(ask(question) for question in questions), return_exceptions=True)
    return [_value_of(answer) for answer in answers]


def _value_of(answer: T | BaseException) -> T:
    if isinstance(answer, BaseException):
        raise answer
    return answer
