"""The operator's verbs over sagas: list, show, retry, resolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mesh.errors import BadInput, NotFound
from payment_svc.domain import ENDS, Event, PurchaseFacts, Saga, State, WrongState
from payment_svc.engine.engine import Engine
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import NoSuchIntent
from payment_svc.providers.registry import Providers
from payment_svc.settling.inbox import Inbox
from payment_svc.store import Stores

MOST_EVENTS = 200
#: How the ids of Stripe's charges begin, in its newer and its older form. We keep none of them.
CHARGE_PREFIXES = ("ch_", "py_")
#: A person cannot resolve a saga as rejected: that would say that nothing was ever held.
RESOLUTIONS = ENDS - {State.REJECTED}


@dataclass(frozen=True, slots=True)
class Operators:
    """What an operator can do."""

    engine: Engine
    stores: Stores
    inbox: Inbox
    intents: Intents
    providers: Providers

    async def list(
        self, state: str, open_only: bool, about: str, after: tuple[datetime, UUID] | None, most: int
    ) -> list[Saga]:
        """Sagas, newest first; `about` is any id that leads to a purchase. Raises BadInput for an unknown state."""
        if state and state not in list(State):
            raise BadInput("no such state", field="state")
        if about.startswith(CHARGE_PREFIXES):
            about = await self.providers.find_intent_of_charge(about)
            if not about:
                return []
        return await self.stores.operators.list(state=state, open_only=open_only, about=about, after=after, most=most)

    async def show(self, saga_id: UUID) -> tuple[Saga, Sequence[Event]]:
        return await self._get(saga_id), await self.stores.sagas.events(saga_id, MOST_EVENTS)

    async def retry(self, saga_id: UUID) -> Saga:
        """Wake a saga and its parked events; the saga after the run that follows. Raises NotFound, WrongState."""
        saga = await self._get(saga_id)
        woken = await self.stores.events.unpark(saga_id)
        self.inbox.look_now()
        if saga.is_complete:
            if not woken:
                raise WrongState("the saga has ended")
            return saga
        if not self.engine.can_run(saga):
            raise WrongState("nothing drives it: settle it by hand, then resolve it")
        if saga.state is State.PARKED:
            await self.stores.operators.unpark(saga_id)
        claimed = await self.stores.sagas.claim_free(await self._get(saga_id))
        if claimed is not None:
            self.engine.start(claimed)
        return await self.engine.wait_until(saga_id, lambda row: row.is_complete or not row.is_leased)

    async def resolve(self, saga_id: UUID, state: str, note: str) -> Saga:
        """Close a parked saga as a person decided. Raises NotFound, WrongState, BadInput."""
        if state not in RESOLUTIONS:
            raise BadInput(f"must be one of {', '.join(sorted(RESOLUTIONS))}", field="state")
        received = await self._received(await self._get(saga_id))
        if not await self.stores.operators.resolve(saga_id, State(state), note, received):
            raise WrongState("only a parked saga can be resolved")
        return await self._get(saga_id)

    async def _received(self, saga: Saga) -> int:
        """What the saga's ended intent has received (minor units). Raises WrongState while it can be paid."""
        if saga.payment_intent_id is None:
            return 0
        if isinstance(saga.facts, PurchaseFacts) and self.providers.of_saga(saga).takes_reports:
            await self.intents.make_unpayable(saga)  # such a provider has no dashboard where a person could cancel it
        try:
            intent = await self.providers.retrieve_intent(saga.payment_intent_id)
        except NoSuchIntent:
            return 0
        if not intent.has_ended:
            raise WrongState(f"{intent.id} can still be paid: cancel it at the provider first")
        return intent.received

    async def _get(self, saga_id: UUID) -> Saga:
        saga = await self.stores.sagas.get(saga_id)
        if saga is None:
            raise NotFound
        return saga
