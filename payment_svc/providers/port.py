"""The port to whoever takes the money: what this service asks of a payment provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from mesh.money import Money
from payment_svc.domain import Dispute, Intent, ProviderEvent, ProviderRefund, ProviderUnavailable, Refund, Saga

#: Pages that a list may have.
MOST_PAGES = 1000


class OutcomeUnknown(ProviderUnavailable):
    """The provider gave no answer that can be trusted: it may or may not have happened."""


class Unreadable(OutcomeUnknown):
    """The provider's answer lacks a field, or has one that our schema cannot keep. The message names it."""


class EventIgnored(Exception):
    """A provider's event tells nothing about an intent. `told` is what the log says of it."""

    def __init__(self, reason: str, **told: str) -> None:
        self.reason, self.told = reason, told
        super().__init__(reason)


class ProviderRefused(Exception):
    """The provider understood and refused; nothing happened."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


class NoSuchIntent(ProviderRefused):
    """The provider does not know the intent. That is a definite answer: nobody can pay it."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """The intents of a page of events, the id after which the next page begins, and the time of the newest event.

    The time is in Unix seconds of the provider, 0 without events.
    """

    intent_ids: tuple[str, ...] = ()
    next_after: str = ""
    newest: int = 0


class Provider(Protocol):
    """A payment provider.

    Each call raises OutcomeUnknown or ProviderRefused. It is made once: the caller decides about retries.
    """

    @property
    def name(self) -> str:
        """What the facts of a saga call it (PurchaseFacts.provider)."""

    @property
    def intent_prefix(self) -> str:
        """How the ids of its intents begin. No other provider's do."""

    @property
    def takes_reports(self) -> bool:
        """True when only its reports say what was paid (ReportingProvider). False: it can be asked."""

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        """The saga's intent. A repeat gives the first answer, which may be outdated."""

    async def find_intent(self, saga: Saga) -> Intent | None:
        """The intent that was made for the saga, if there is one."""

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """The intent as it is now. Raises NoSuchIntent."""

    async def cancel_intent(self, intent_id: str) -> Intent:
        """The intent after cancelling it, or as it is when it can no longer be cancelled. Raises NoSuchIntent."""

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        """The ids of the declined attempts to pay an intent."""

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        """Have money given back. A repeat gives the first answer."""

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        """The provider's refund for this refund of ours."""

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        """An intent's refunds, newest first; at most 100."""

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        """An intent's disputes, newest first; at most 100."""

    async def list_intents(self, after: str | None, most: int) -> tuple[list[Intent], str]:
        """A page of all intents after this id, and the id after which the next page begins; empty on the last page.

        Unreadable intents are left out. Raises ProviderRefused for a bad id.
        """

    async def find_intent_of_charge(self, charge_id: str) -> str:
        """The id of a charge's intent; empty when it has none, or there is no such charge."""

    async def recent_intents(self, seconds: float, after: str) -> tuple[list[Intent], str]:
        """A page of the last seconds' intents whose money may belong to a saga that has ended, as of `list_intents`."""

    async def recent_events(self, types: frozenset[str], seconds: float, after: str) -> tuple[list[ProviderEvent], str]:
        """A page of the last seconds' events of these types, newest first. Webhooks may have missed them.

        With it comes the id after which the next page begins; empty on the last page. `after` is empty for the first.
        """

    async def list_intents_of_events(self, since: int, after: str | None) -> EventPage:
        """The intents of a page of events, newest first, from the time `since` (Unix seconds) on. Webhooks may have missed
        the events. Raises ProviderRefused for a bad id."""


class ReportingProvider(Provider, Protocol):
    """A provider that calls us back: what it reports is recorded, and is the truth.

    Each report raises ReferenceUsed when the provider has used its reference for another payment.
    """

    async def record_paid(self, intent_id: str, reference: str) -> str | None:
        """Record that it was paid in full. Returns the reference of the accepted payment, or None."""

    async def record_declined(self, intent_id: str, reference: str) -> bool:
        """Record that it failed: nobody can pay it any more. False when the payment had ended by then."""

    async def record_refunded(self, intent_id: str, reference: str) -> bool:
        """Record that every pending refund was paid, once per reference; False when none was pending for it."""


def takes_reports(provider: Provider) -> TypeGuard[ReportingProvider]:
    return provider.takes_reports


def printable(words: Any, most: int = 500) -> str:
    """A provider's words as text that can be stored and logged: at most so long, and without control characters."""
    text = words if isinstance(words, str) else ""
    return "".join(char if char.isprintable() else " " for char in text[:most])
