"""The list of providers. An order chooses its provider; afterwards the id of an intent tells whose it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from mesh import tracing
from mesh.database import Database
from mesh.metrics.registry import exemplar
from mesh.money import Money
from payment_svc import metrics
from payment_svc.domain import Dispute, Intent, ProviderEvent, ProviderRefund, Refund, Saga
from payment_svc.providers.callback import CallbackProvider
from payment_svc.providers.port import (
    MOST_PAGES,
    EventPage,
    OutcomeUnknown,
    Provider,
    ProviderRefused,
    Unreadable,
    printable,
)
from payment_svc.providers.sessions import PaymentSessions
from payment_svc.providers.stripe import StripeProvider

T = TypeVar("T")


def list_providers(
    stripe: StripeProvider | None, database: Database, sessions: PaymentSessions
) -> tuple[Provider, ...]:
    """Every provider that is configured. A new provider is one line here.

    Those that call us back are there even when no order may name one: payments from before may be open.
    """
    configured: tuple[Provider | None, ...] = (
        stripe,
        CallbackProvider(database, sessions),
    )
    return tuple(provider for provider in configured if provider is not None)


class Providers:
    """Passes each call on to the provider that it concerns. Raises OutcomeUnknown while that one is not configured."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._all = tuple(providers)

    def of_saga(self, saga: Saga) -> Provider:
        """The provider that the saga's order chose."""
        wanted = saga.purchase_facts.provider
        found = next((each for each in self._all if each.name == wanted), None)
        if found is None:
            raise OutcomeUnknown(f"the payment provider {wanted} is not configured")
        return found

    def of_intent(self, intent_id: str) -> Provider:
        """The provider whose intent this is; of an unknown one, the provider that can be asked."""
        owner = next((each for each in self._all if intent_id.startswith(each.intent_prefix)), None)
        found = owner or next((each for each in self._all if not each.takes_reports), None)
        if found is None:
            raise OutcomeUnknown(f"no payment provider is configured for {printable(intent_id, 40)}")
        return found

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        provider = self.of_saga(saga)
        with measured(provider, "create_intent"):
            return await provider.create_intent(saga, price)

    async def find_intent(self, saga: Saga) -> Intent | None:
        provider = self.of_saga(saga)
        with measured(provider, "find_intent"):
            return await provider.find_intent(saga)

    async def retrieve_intent(self, intent_id: str) -> Intent:
        provider = self.of_intent(intent_id)
        with measured(provider, "retrieve_intent"):
            return await provider.retrieve_intent(intent_id)

    async def cancel_intent(self, intent_id: str) -> Intent:
        provider = self.of_intent(intent_id)
        with measured(provider, "cancel_intent"):
            return await provider.cancel_intent(intent_id)

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        provider = self.of_intent(intent_id)
        with measured(provider, "list_declined_charges"):
            return await provider.list_declined_charges(intent_id)

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        provider = self.of_intent(refund.payment_intent_id)
        with measured(provider, "create_refund"):
            return await provider.create_refund(refund)

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        provider = self.of_intent(refund.payment_intent_id)
        with measured(provider, "find_refund"):
            return await provider.find_refund(refund)

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        provider = self.of_intent(intent_id)
        with measured(provider, "list_refunds"):
            return await provider.list_refunds(intent_id)

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        provider = self.of_intent(intent_id)
        with measured(provider, "list_disputes"):
            return await provider.list_disputes(intent_id)

    async def recent_intents(self, seconds: float) -> AsyncIterator[list[Intent]]:
        """The recent intents of every provider, in pages; those that keep their books here come first."""
        for each in reversed(self._all):
            async for page in _pages(each, "recent_intents", partial(each.recent_intents, seconds)):
                yield page

    async def recent_events(self, types: frozenset[str], seconds: float) -> AsyncIterator[list[ProviderEvent]]:
        """The recent events of every provider, in pages."""
        for each in self._all:
            async for page in _pages(each, "recent_events", partial(each.recent_events, types, seconds)):
                yield page

    async def list_intents(self, token: str, most: int) -> tuple[list[Intent], str]:
        """A page of all intents and the token of the next page; an empty token on the last.

        A token is the id of the last intent before the page, or only the prefix of a provider: its first page. Raises
        ProviderRefused for another token.
        """
        provider = self.of_intent(token) if token else self._all[0]
        after = None if token in ("", provider.intent_prefix) else token
        with measured(provider, "list_intents"):
            page, more = await provider.list_intents(after, most)
        return page, more or await self._first_token_after(provider)

    async def list_intents_of_events(self, since: int, after: str | None) -> EventPage:
        """The intents of a page of the events of the provider that can be asked; nothing while there is none."""
        provider = next((each for each in self._all if not each.takes_reports), None)
        if provider is None:
            return EventPage()
        with measured(provider, "list_intents_of_events"):
            return await provider.list_intents_of_events(since, after)

    async def _first_token_after(self, provider: Provider) -> str:
        for each in self._all[self._all.index(provider) + 1 :]:
            with measured(each, "list_intents"):
                first, _ = await each.list_intents(None, 1)
            if first:
                return each.intent_prefix
        return ""

    async def find_intent_of_charge(self, charge_id: str) -> str:
        """The id of a charge's intent; empty when it has none, or no provider knows the charge."""
        for each in self._all:
            with measured(each, "find_intent_of_charge"):
                found = await each.find_intent_of_charge(charge_id)
            if found:
                return found
        return ""


async def _pages(
    provider: Provider, call: str, ask: Callable[[str], Awaitable[tuple[list[T], str]]]
) -> AsyncIterator[list[T]]:
    """The pages of a provider's list. Each is a call. Raises Unreadable for a list that has no end."""
    after = ""
    for _ in range(MOST_PAGES):
        with measured(provider, call):
            page, after = await ask(after)
        yield page
        if not after:
            return
    raise Unreadable(f"{provider.name}: {call} has no end")


@contextlib.contextmanager
def measured(provider: Provider, call: str) -> Iterator[None]:
    """Within, a provider is called: how long, and with what outcome."""
    began, outcome = time.perf_counter(), "failed"
    try:
        with tracing.span(f"{provider.name} {call}", "client", answers=(ProviderRefused,)):
            yield
        outcome = "ok"
    except Unreadable:
        outcome = "unreadable"
        raise
    except OutcomeUnknown:
        outcome = "unknown"
        raise
    except ProviderRefused:
        outcome = "refused"
        raise
    finally:
        seconds = time.perf_counter() - began
        metrics.PROVIDER_SECONDS.labels(provider.name, call, outcome).observe(seconds, exemplar())
