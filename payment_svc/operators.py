"""The operator's verbs over sagas: list, show, retry, resolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mesh.errors import BadInput, NotFound
from payment_svc.domain import CALLBACK, ENDS, Event, Saga, State, WrongState
from payment_svc.engine.engine import Engine
from payment_svc.providers.intents import Intents
from payment_svc.settling.inbox import Inbox
from payment_svc.store import EventStore, OperatorStore

MOST_EVENTS = 200
#: A person cannot resolve a saga as rejected: that says that nothing was ever held.
RESOLUTIONS = ENDS - {State.REJECTED}


@dataclass(frozen=True, slots=True)
class Operators:
    """What an operator can do."""

    engine: Engine
    store: OperatorStore
    events: EventStore
    inbox: Inbox
    intents: Intents

    async def list(self, state: str, open_only: bool, after: tuple[datetime, UUID] | None, most: int) -> list[Saga]:
        """Newest first. Raises BadInput for a state there is not."""
        if state and state not in list(State):
            raise BadInput("no such state", field="state")
        return await self.store.list(state=state, open_only=open_only, after=after, most=most)

    async def show(self, saga_id: UUID) -> tuple[Saga, Sequence[Event]]:
        return await self._saga(saga_id), await self.engine.store.events(saga_id, MOST_EVENTS)

    async def retry(self, saga_id: UUID) -> Saga:
        """Wake a saga, and its parked events; the saga as it is after the drive. Raises NotFound, WrongState."""
        saga = await self._saga(saga_id)
        woken = await self.events.unpark(saga_id)
        self.inbox.look_now()
        if saga.is_complete:
            if not woken:
                raise WrongState("the saga has ended")
            return saga
        if not self.engine.drives(saga):
            raise WrongState("nothing drives it: settle it by hand, then resolve it")
        if saga.state is State.PARKED:
            await self.store.unpark(saga_id)
        woken_saga = await self._saga(saga_id)
        claimed = await self.engine.store.claim_free(woken_saga)
        if claimed is not None:
            self.engine.start(claimed)
        return await self.engine.settle(saga_id, lambda row: row.is_complete or not row.is_leased)

    async def resolve(self, saga_id: UUID, state: str, note: str) -> Saga:
        """Close a parked saga by a person's word. Raises NotFound, WrongState, BadInput."""
        if state not in RESOLUTIONS:
            raise BadInput(f"must be one of {', '.join(sorted(RESOLUTIONS))}", field="state")
        saga = await self._saga(saga_id)
        received = await self._received(saga)
        if not await self.store.resolve(saga_id, State(state), note, received):
            raise WrongState("only a parked saga can be resolved")
        return await self._saga(saga_id)

    async def _received(self, saga: Saga) -> int:
        """What the saga's intent, which must have come to its end, received. Raises WrongState while it can be paid."""
        if saga.payment_intent_id is None:
            return 0
        if saga.payment_engine == CALLBACK:  # there is nowhere else to call it off
            await self.intents.close(saga)
        intent = await self.intents.look(saga.payment_intent_id)
        if not (intent.succeeded or intent.canceled):
            raise WrongState(f"{intent.id} can still be paid: cancel it at the provider first")
        return intent.received

    async def _saga(self, saga_id: UUID) -> Saga:
        saga = await self.engine.store.get(saga_id)
        if saga is None:
            raise NotFound
        return saga
