"""Reconcile: ask Stripe about everything that should have news, so that a lost webhook costs minutes, not money.

Safe to run twice at once: it writes nothing itself, it wakes and drives, and those are fenced.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from mesh.logs import log
from payment_svc.domain import NeedsAPerson, Refund, Saga, State
from payment_svc.engine.engine import Engine
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import Intent, OutcomeUnknown, ProviderRefused
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Engines
from payment_svc.settling.late_payments import Aftermath, RefundNotDone, unearned
from payment_svc.settling.webhooks import LATER, Webhooks
from payment_svc.store import EventStore, OperatorStore, RefundStore

PAGE = 100
#: Questions to the provider at once; it allows a hundred a second.
AT_ONCE = 8
STALE_SECONDS = 120
LOOP_WINDOW, COMMAND_WINDOW = 2 * 3600, 7 * 24 * 3600
MOST_INTENTS = MOST_EVENTS = 5000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What a round found."""

    examined: int = 0
    moved: int = 0
    woken: int = 0
    strays: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True)))


class Stage(StrEnum):
    """The parts of a round, in its order."""

    WAITING = "waiting"
    REFUNDS = "refunds"
    STRAYS = "strays"
    UNTOLD = "untold"
    SLEEPING = "sleeping"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a round has come: a stage, and the last id that it has seen of it."""

    stage: Stage = Stage.WAITING
    after: UUID | None = None

    def next(self, seen: Sequence[UUID]) -> Place | None:
        """Behind a page: further in this stage while there is more of it, else at the next; None at the end."""
        if len(seen) == PAGE:
            return Place(self.stage, seen[-1])
        stages = list(Stage)
        later = stages[stages.index(self.stage) + 1 :]
        return Place(later[0]) if later else None


@dataclass(frozen=True, slots=True)
class Scope:
    """How long something has to be open to be asked about, and how far back strays and events are looked for."""

    older_than: float
    window: float


ROUND, EVERYTHING = Scope(STALE_SECONDS, LOOP_WINDOW), Scope(0, COMMAND_WINDOW)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The loop's and the command's use case."""

    engine: Engine
    engines: Engines
    intents: Intents
    refunds: RefundStore
    giving: Refunds
    aftermath: Aftermath
    events: EventStore
    webhooks: Webhooks
    operators: OperatorStore

    async def round(self) -> Found:
        """The loop's round: what has been open for two minutes."""
        return await self._from(Place(), Stage.UNTOLD, ROUND)

    async def everything(self) -> Found:
        """The command's round: every open payment whatever its age, and every saga that is backing off."""
        return await self._from(Place(), Stage.SLEEPING, EVERYTHING)

    async def page(self, place: Place) -> tuple[Found, Place | None]:
        """One page of the command's round, and where the next begins."""
        return await self._page(place, EVERYTHING)

    async def _from(self, begin: Place, last: Stage, scope: Scope) -> Found:
        found, place = Found(), begin
        while True:
            more, further = await self._page(place, scope)
            found += more
            if further is None or (place.stage is last and further.stage is not last):
                return found
            place = further

    async def _page(self, place: Place, scope: Scope) -> tuple[Found, Place | None]:
        found, seen = await self._looked_at(place, scope)
        if found.moved or found.strays:
            log().warning("reconciled", examined=found.examined, moved=found.moved, strays=found.strays)
        return found, place.next(seen)

    async def _looked_at(self, place: Place, scope: Scope) -> tuple[Found, Sequence[UUID]]:
        """A page of a stage, and the ids on it; strays and events are one page."""
        match place.stage:
            case Stage.WAITING:
                return await self._waiting(scope.older_than, place.after)
            case Stage.REFUNDS:
                return await self._pending_refunds(scope.older_than, place.after)
            case Stage.STRAYS:
                return await self._strays(scope.window), ()
            case Stage.UNTOLD:
                return await self._untold(scope.window), ()
        woken = await self.operators.wake_backing_off(place.after, PAGE)
        return Found(woken=len(woken)), woken

    async def _waiting(self, older_than: float, after: UUID | None) -> tuple[Found, Sequence[UUID]]:
        page = await self.engine.store.waiting(older_than, after, PAGE)
        moved = await few_at_once([self._look(saga) for saga in page])
        return Found(len(page), sum(moved)), [saga.id for saga in page]

    async def _look(self, saga: Saga) -> bool:
        """Drive a waiting saga on when its intent has news."""
        assert saga.payment_intent_id is not None
        try:
            intent = await self.intents.look(saga.payment_intent_id)
        except (OutcomeUnknown, ProviderRefused) as error:
            log().warning("not_reconciled", saga_id=str(saga.id), error=str(error))
            return False
        if not is_news(saga, intent):
            return False
        if self.engine.is_full:  # whoever has room takes it up
            return await self.engine.store.wake(saga.id)
        claimed = await self.engine.store.claim_free(saga) if self.engine.drives(saga) else None
        if claimed is not None:
            self.engine.start(claimed)
        return claimed is not None

    async def _pending_refunds(self, older_than: float, after: UUID | None) -> tuple[Found, Sequence[UUID]]:
        page = await self.refunds.pending(older_than, after, PAGE)
        moved = await few_at_once([self._ask(refund) for refund in page])
        return Found(len(page), sum(moved)), [refund.id for refund in page]

    async def _ask(self, refund: Refund) -> bool:
        """True when the provider says something else of a refund than it did."""
        try:
            return await self.giving.ask(refund) is not refund.status
        except (OutcomeUnknown, ProviderRefused) as error:
            log().warning("not_reconciled", refund_id=str(refund.id), error=str(error))
            return False

    async def _strays(self, window: float) -> Found:
        """Intents that carry our saga's id but are not the saga's, and money for what has ended."""
        seen = strays = 0
        async for intent in self.engines.intents(window):
            seen += 1
            if seen > MOST_INTENTS:
                break
            if intent.saga_id is not None and not intent.canceled:
                strays += await self._settled(intent.saga_id, intent)
        return Found(strays=strays)

    async def _untold(self, window: float) -> Found:
        """Refunds made or failed there, and disputes, of which no webhook ever came: judged as if it had."""
        seen = examined = 0
        async for page in self.engines.events(LATER, int(time.time() - window)):
            seen += len(page)
            unknown = await self.events.unknown([event.id for event in page])
            for event in reversed(page):
                if event.id in unknown:
                    await self.webhooks.take(event)
            examined += len(unknown)
            if seen > MOST_EVENTS:
                break
        return Found(examined)

    async def _settled(self, saga_id: UUID, intent: Intent) -> bool:
        """Settle an intent that our own rows call unsettled; the provider is asked about no other."""
        saga = await self.engine.store.get(saga_id)
        if saga is None or (saga.state is State.COMPLETED and intent.id == saga.payment_intent_id):
            return False
        if not self.aftermath.concerns(saga, intent, None):
            return False
        if intent.succeeded and not unearned(saga, None, intent, await self.refunds.of_intent(intent.id)):
            return False
        try:
            return await self.aftermath.settle(saga_id, intent.id)
        except (OutcomeUnknown, ProviderRefused, RefundNotDone, NeedsAPerson) as error:
            log().warning("not_reconciled", intent_id=intent.id, error=str(error))
            return True


async def few_at_once(questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The answers, in order, of which so many are waited for at a time. Raises what the first of them raised."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(question: Coroutine[Any, Any, T]) -> T:
        async with room:
            return await question

    answers = await asyncio.gather(*(ask(question) for question in questions), return_exceptions=True)
    return [_given(answer) for answer in answers]


def _given(answer: T | BaseException) -> T:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def is_news(saga: Saga, intent: Intent) -> bool:
    """True when a waiting saga does not know yet what its intent shows."""
    known = saga.context.get("failed_charges", ())
    return intent.succeeded or intent.canceled or (intent.failed_charge or None) not in (None, *known)
