"""Stripe. Only this file and stripe_http.py import stripe: its errors become ours, and none of its objects leave this file.
What its JSON says is checked in stripe_objects.py.

Idempotency keys derive from our ids. Stripe keeps a key for about a day and replays stored 500s (Stripe: idempotent
requests). A caller that is in doubt therefore looks first, with `find_intent` and `find_refund`, before it creates again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import stripe

from mesh.money import Money
from payment_svc.domain import STRIPE, BadSignature, Dispute, Intent, ProviderEvent, ProviderRefund, Refund, Saga
from payment_svc.providers.port import (
    MOST_PAGES,
    EventIgnored,
    EventPage,
    NoSuchIntent,
    OutcomeUnknown,
    ProviderRefused,
    Unreadable,
    printable,
)
from payment_svc.providers.stripe_amounts import to_wire
from payment_svc.providers.stripe_http import StripeHttp
from payment_svc.providers.stripe_lists import read_events, read_listed, read_page
from payment_svc.providers.stripe_objects import (
    INTENT_PREFIX,
    read_charge,
    read_dispute,
    read_event,
    read_intent,
    read_intent_of_charge,
    read_list,
    read_refund,
)

TOLERANCE_SECONDS = 300
CLOCK_SLACK_SECONDS = 300
#: Items of a page; Stripe gives no more.
PAGE = 100
#: Stripe's code for an object that this account, in this mode, does not have (Stripe: error codes).
_MISSING = "resource_missing"


class StripeProvider:
    """The provider `stripe`. Every call is bounded in time and made once: the caller decides about retries."""

    name, intent_prefix, takes_reports = STRIPE, INTENT_PREFIX, False

    def __init__(self, secret_key: str, webhook_secrets: str, *, api_base: str | None, timeout: float) -> None:
        """`webhook_secrets`: one signing secret, or several separated by commas while one replaces another."""
        self._webhook_secrets = [secret.strip() for secret in webhook_secrets.split(",")]
        self.livemode = "_live_" in secret_key
        self._http = StripeHttp(api_base or stripe.DEFAULT_API_BASE, timeout)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=0,
        )

    async def close(self) -> None:
        await self._http.close_async()

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        """The saga's PaymentIntent. A repeat gives the first answer, which may be outdated."""
        params: dict[str, Any] = {
            "amount": to_wire(price),
            "currency": price.currency.lower(),
            "payment_method_types": ["card"],
            "metadata": {
                "paymentId": str(saga.payment_id),
                "sagaId": str(saga.id),
                "paymentContext": saga.payment_context,
                "contextId": str(saga.context_id),
            },
        }
        key = f"payment-{saga.payment_id}-create"
        # Of the answer's hundred fields the library would make objects that nobody reads.
        created = self._client.raw_request_async("post", "/v1/payment_intents", idempotency_key=key, **params)
        return read_intent(await _ask(created))

    async def find_intent(self, saga: Saga) -> Intent | None:
        """The saga's PaymentIntent, by listing what was created since it began (search is eventually consistent)."""
        since = int(saga.created_at.timestamp()) - CLOCK_SLACK_SECONDS
        until = since + 2 * CLOCK_SLACK_SECONDS + 48 * 3600
        after = ""
        for _ in range(MOST_PAGES):
            page, after = await self.list_intents(after, PAGE, {"gte": since, "lte": until}, saga.id)
            for intent in page:
                if intent.saga_id == saga.id and intent.payment_id in (None, saga.payment_id):
                    return intent
            if not after:
                return None
        raise Unreadable("the list of intents has no end")

    async def recent_intents(self, seconds: float, after: str) -> tuple[list[Intent], str]:
        """A page of the PaymentIntents that were created in the last seconds, newest first."""
        return await self.list_intents(after, PAGE, {"gte": int(time.time() - seconds)})

    async def list_intents(
        self, after: str | None, most: int, created: dict[str, int] | None = None, needed: UUID | None = None
    ) -> tuple[list[Intent], str]:
        """A page of PaymentIntents after an id, and the id after which the next page begins; empty on the last page.

        An unreadable one is left out. Raises Unreadable when it is the intent of the saga that is `needed`.
        """
        params: dict[str, Any] = {"limit": most}
        if after:
            params["starting_after"] = after
        if created:
            params["created"] = created
        else:  # the audit, which is spared a question about each intent without refunds
            params["expand"] = ["data.latest_charge.refunds"]
        # The library would make an object of each of a page's ten thousand fields.
        page = await _ask(self._client.raw_request_async("get", "/v1/payment_intents", **params))
        items, next_after = read_page(page)
        return [intent for item in items if (intent := read_listed(item, needed)) is not None], next_after

    async def recent_events(self, types: frozenset[str], seconds: float, after: str) -> tuple[list[ProviderEvent], str]:
        """A page of the events of these types from the last seconds, newest first.

        Stripe lists the events of the last 30 days, delivered or not (Stripe: list all events).
        """
        since = int(time.time() - seconds)
        params: dict[str, Any] = {"types": sorted(types), "created": {"gte": since}, "limit": PAGE}
        if after:
            params["starting_after"] = after
        items, next_after = read_page(await _ask(self._client.v1.events.list_async(params=params)))  # type: ignore[arg-type]
        return read_events(items), next_after

    async def list_intents_of_events(self, since: int, after: str | None) -> EventPage:
        """The intents of a page of events, newest first, from the time `since` (Unix seconds) on."""
        params: dict[str, Any] = {"created": {"gte": since}, "limit": 100}
        if after:
            params["starting_after"] = after
        items, more = read_page(await _ask(self._client.raw_request_async("get", "/v1/events", **params)))
        events = read_events(items)
        intents = tuple(dict.fromkeys(event.intent_id for event in events))
        return EventPage(intents, more, max((event.created for event in events), default=0))

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """The intent as it is now. Raises NoSuchIntent."""
        try:
            return _same(intent_id, await _ask(self._client.v1.payment_intents.retrieve_async(intent_id)))
        except ProviderRefused as error:
            if error.code != _MISSING:
                raise
            raise NoSuchIntent(_MISSING, "no such intent") from error

    async def cancel_intent(self, intent_id: str) -> Intent:
        """The intent after cancelling it, or as it is when it can no longer be cancelled."""
        try:
            return _same(intent_id, await _ask(self._client.v1.payment_intents.cancel_async(intent_id)))
        except ProviderRefused:
            return await self.retrieve_intent(intent_id)

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        """The ids of an intent's failed charges."""
        of_intent: Any = {"payment_intent": intent_id, "limit": 100}
        items, _ = read_list(await _ask(self._client.v1.charges.list_async(params=of_intent)))
        return {charge for charge, has_failed in map(read_charge, items) if has_failed}

    async def find_intent_of_charge(self, charge_id: str) -> str:
        """The id of a charge's intent; empty when there is none, or no such charge. Raises OutcomeUnknown."""
        try:
            return read_intent_of_charge(await _ask(self._client.v1.charges.retrieve_async(charge_id)))
        except ProviderRefused:
            return ""

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        params: dict[str, Any] = {
            "payment_intent": refund.payment_intent_id,
            "amount": to_wire(refund.amount),
            "metadata": {"refundId": str(refund.id), "sagaId": str(refund.saga_id)},
        }
        options: Any = {"idempotency_key": f"refund-{refund.id}"}
        made = await _ask(self._client.v1.refunds.create_async(params=params, options=options))  # type: ignore[arg-type]
        return read_refund(made, refund.payment_intent_id)

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        """Stripe's refund for this refund of ours."""
        if refund.provider_refund_id:
            found = await _ask(self._client.v1.refunds.retrieve_async(refund.provider_refund_id))
            return read_refund(found, refund.payment_intent_id)
        known = await self.list_refunds(refund.payment_intent_id)
        return next((item for item in reversed(known) if item.carries_out(refund)), None)

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        """An intent's disputes, newest first; at most 100."""
        of_intent: Any = {"payment_intent": intent_id, "limit": 100}
        items, _ = read_list(await _ask(self._client.v1.disputes.list_async(params=of_intent)))
        return [read_dispute(item) for item in items]

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        """An intent's refunds, newest first; at most 100."""
        of_intent: Any = {"payment_intent": intent_id, "limit": 100}
        items, _ = read_list(await _ask(self._client.v1.refunds.list_async(params=of_intent)))
        return [read_refund(item, intent_id) for item in items]

    def verify(self, payload: bytes, signature: str) -> ProviderEvent:
        """The event in a webhook's body. Raises BadSignature, and EventIgnored when it tells nothing about an intent.

        The body is parsed only after the signature over its raw bytes holds (Stripe: webhook signatures). From then on
        no body is refused: Stripe would send it again for days.
        """
        try:
            body = payload.decode()
        except UnicodeDecodeError as error:
            raise BadSignature from error
        if not any(_is_signed(body, signature, secret) for secret in self._webhook_secrets):
            raise BadSignature
        try:
            event = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EventIgnored("unreadable", error="the body is no JSON, or nested too deep", type="other") from error
        return read_event(event)


def _is_signed(body: str, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, TypeError):  # TypeError: the signature is not ASCII
        return False
    return True


async def _ask(call: Awaitable[Any]) -> Any:
    """The JSON of Stripe's answer. After 429, 5xx, silence and nonsense the outcome is unknown. Other refusals are final."""
    try:
        answer = await call
        return answer.data if isinstance(answer, stripe.StripeResponse) else answer.last_response.data
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        code = printable(error.code, 100)
        if error.http_status == 409 or code == "lock_timeout":
            raise OutcomeUnknown from _told(error)
        raise ProviderRefused(code or "invalid_request", printable(error.user_message) or "refused") from _told(error)
    except stripe.StripeError as error:
        raise OutcomeUnknown from _told(error)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Unreadable(f"the answer is no object of Stripe's: {type(error).__name__}") from None


def _told(error: stripe.StripeError) -> Exception:
    """What is logged of Stripe's error.

    Of an answer that is none of Stripe's, the library quotes the body. That can hold a client secret, so its words are
    left out.
    """
    words = (
        printable(error.user_message) if isinstance(error, stripe.APIConnectionError) else printable(error.code, 100)
    )
    return RuntimeError(f"{type(error).__name__}, HTTP {error.http_status}: {words}")


def _same(intent_id: str, item: Any) -> Intent:
    """The intent that was asked for. Raises Unreadable for another one."""
    intent = read_intent(item)
    if intent.id != intent_id:
        raise Unreadable("the payment_intent is another one")
    return intent
