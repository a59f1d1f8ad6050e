"""What the audit asks: what has changed here and at the provider, what belongs to given ids, and its mark."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mesh.errors import BadInput
from mesh.logs import log
from mesh.row_stamps import ChangedIds
from payment_svc.domain import Intent, ProviderRefund, Saga
from payment_svc.providers.port import NoSuchIntent, ProviderRefused, Unreadable
from payment_svc.providers.registry import Providers
from payment_svc.store import AuditStore

#: Questions to the provider at the same time for one page of the audit. Stripe allows 100 a second in all.
PROVIDER_CALLS = 4
#: An event may appear in the list this much later than one that is newer.
LATE_SECONDS = 60
#: Stripe lists the events of 30 days (Stripe: list all events). A day is left for the audit itself.
KEPT_SECONDS = 29 * 24 * 3600

IntentWithRefunds = tuple[Intent, list[ProviderRefund]]


@dataclass(frozen=True, slots=True)
class Auditing:
    """The use cases of the audit. All of them read, but for `keep_mark`."""

    store: AuditStore
    providers: Providers

    async def list_sagas_of(self, ids: Sequence[UUID]) -> list[Saga]:
        """The sagas among these ids, and those of purchases among these."""
        return await self.store.list_sagas_of(ids)

    async def list_changed_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """The sagas that have changed since the mark, or whose payments or refunds have. Raises BadInput."""
        return await self.store.list_changed_ids(mark, token, most)

    async def get_mark(self) -> str:
        return await self.store.get_mark()

    async def keep_mark(self, mark: str) -> None:
        await self.store.keep_mark(mark)

    async def list_intents(self, token: str, most: int) -> tuple[list[IntentWithRefunds], str]:
        """A page of the provider's intents that carry our metadata, with their refunds. Raises BadInput."""
        try:
            page, more = await self.providers.list_intents(token, most)
        except ProviderRefused as error:
            raise BadInput("is no page of the provider's", field="page_token") from error
        slots = asyncio.Semaphore(PROVIDER_CALLS)
        ours = (intent for intent in page if intent.saga_id is not None)
        return list(await asyncio.gather(*(self._with_refunds(intent, slots) for intent in ours))), more

    async def find_intents(self, ids: Sequence[str]) -> list[IntentWithRefunds]:
        """Those of these intents that the provider knows and that carry our metadata, with their refunds."""
        slots = asyncio.Semaphore(PROVIDER_CALLS)
        found = await asyncio.gather(*(self._find_intent(id_, slots) for id_ in ids))
        ours = (intent for intent in found if intent is not None and intent.saga_id is not None)
        return list(await asyncio.gather(*(self._with_refunds(intent, slots) for intent in ours)))

    async def _find_intent(self, intent_id: str, slots: asyncio.Semaphore) -> Intent | None:
        try:
            async with slots:
                return await self.providers.retrieve_intent(intent_id)
        except NoSuchIntent:
            return None
        except Unreadable as error:  # a list leaves it out as well
            log().warning("intent_unreadable", saga_id="", error=error.message)
            return None

    async def _with_refunds(self, intent: Intent, slots: asyncio.Semaphore) -> IntentWithRefunds:
        if not intent.received or intent.has_refunds is False:
            return intent, []
        async with slots:
            return intent, await self.providers.list_refunds(intent.id)

    async def list_intents_of_events(self, mark: str, token: str) -> ChangedIds:
        """A page of the intents about which the provider has had events since the mark. Raises BadInput.

        A mark is the time of the newest event, by the provider's clock. Without one only the mark of now is told.
        """
        if token:
            began, _, after = token.partition("|")
            return await self._read_events(_seconds(began, "page_token"), after)
        newest = (await self.providers.list_intents_of_events(int(time.time()) - KEPT_SECONDS, None)).newest
        now = str(newest or int(time.time()) - LATE_SECONDS)
        if not mark:
            return ChangedIds([], mark=now)
        since = _seconds(mark, "mark")
        if since < time.time() - KEPT_SECONDS:
            return ChangedIds([], mark=now, is_mark_lost=True)
        page = await self._read_events(since - LATE_SECONDS, "")
        return ChangedIds(page.ids, page.next_page_token, mark=now)

    async def _read_events(self, since: int, after: str) -> ChangedIds:
        try:
            page = await self.providers.list_intents_of_events(since, after or None)
        except ProviderRefused as error:
            raise BadInput("is no page of the provider's", field="page_token") from error
        return ChangedIds(list(page.intent_ids), f"{since}|{page.next_after}" if page.next_after else "")


def _seconds(text: str, field: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise BadInput("is no mark of this list", field=field)
    return int(text)
