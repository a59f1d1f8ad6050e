"""Stripe. The only file that imports stripe: its errors become ours, and none of its objects leave this file.

Idempotency keys derive from our ids. Stripe keeps a key for about a day and replays stored 500s (Stripe: idempotent
requests). A caller that is in doubt therefore looks first, with `find_intent` and `find_refund`, before it creates again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import stripe

from mesh.errors import BadInput
from mesh.money import Money
from payment_svc.domain import STRIPE, BadSignature, Dispute, Intent, ProviderEvent, ProviderRefund, Refund, Saga
from payment_svc.providers.port import OutcomeUnknown, ProviderRefused

TOLERANCE_SECONDS = 300
CLOCK_SLACK_SECONDS = 300


class StripeProvider:
    """The provider `stripe`. Every call is bounded in time and made once: the caller decides about retries."""

    name, intent_prefix, takes_reports = STRIPE, "pi_", False

    def __init__(self, secret_key: str, webhook_secrets: str, *, api_base: str | None, timeout: float) -> None:
        """`webhook_secrets`: one signing secret, or several separated by commas while one replaces another."""
        self._webhook_secrets = [secret.strip() for secret in webhook_secrets.split(",")]
        self.livemode = "_live_" in secret_key
        self._http = stripe.HTTPXClient(timeout=timeout, allow_sync_methods=False)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=0,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        """The saga's PaymentIntent. A repeat gives the first answer, which may be outdated."""
        params: dict[str, Any] = {
            "amount": price.amount_minor,
            "currency": price.currency.lower(),
            "payment_method_types": ["card"],
            "metadata": {
                "paymentId": str(saga.payment_id),
                "sagaId": str(saga.id),
                "paymentContext": saga.payment_context,
                "contextId": str(saga.context_id),
            },
        }
        with _translate_errors():
            options: Any = {"idempotency_key": f"payment-{saga.payment_id}-create"}
            return _intent(await self._client.v1.payment_intents.create_async(params=params, options=options))  # type: ignore[arg-type]

    async def find_intent(self, saga: Saga) -> Intent | None:
        """The saga's PaymentIntent, by listing what was created since it began (search is eventually consistent)."""
        since = int(saga.created_at.timestamp()) - CLOCK_SLACK_SECONDS
        until = since + 2 * CLOCK_SLACK_SECONDS + 48 * 3600
        async for intent in self._intents_of({"gte": since, "lte": until}):
            if intent.saga_id == saga.id:
                return intent
        return None

    def recent_intents(self, seconds: float) -> AsyncIterator[Intent]:
        """The PaymentIntents that were created in the last seconds, newest first."""
        return self._intents_of({"gte": int(time.time() - seconds)})

    async def _intents_of(self, created: dict[str, int]) -> AsyncIterator[Intent]:
        """The PaymentIntents of a span of Unix seconds, newest first, in pages of 100."""
        after: str | None = None
        while True:
            page, has_more = await self.list_intents(after, 100, created)
            for intent in page:
                yield intent
            if not has_more:
                return
            after = page[-1].id

    async def list_intents(
        self, after: str | None, most: int, created: dict[str, int] | None = None
    ) -> tuple[list[Intent], bool]:
        """A page of PaymentIntents after an id, and whether there are more."""
        params: dict[str, Any] = {"limit": most}
        if after:
            params["starting_after"] = after
        if created:
            params["created"] = created
        with _translate_errors():
            page = await self._client.v1.payment_intents.list_async(params=params)  # type: ignore[arg-type]
        return [_intent(item) for item in page.data], bool(page.has_more)

    async def recent_events(self, types: frozenset[str], seconds: float) -> AsyncIterator[list[ProviderEvent]]:
        """The events of these types from the last seconds, newest first, in pages of 100.

        Stripe lists the events of the last 30 days, delivered or not (Stripe: list all events).
        """
        since = int(time.time() - seconds)
        params: dict[str, Any] = {"types": sorted(types), "created": {"gte": since}, "limit": 100}
        while True:
            with _translate_errors():
                page = await self._client.v1.events.list_async(params=params)  # type: ignore[arg-type]
            found = (_event_of(item.to_dict()) for item in page.data)
            if page.data:
                yield [event for event in found if event is not None]
            if not page.has_more:
                return
            params["starting_after"] = page.data[-1].id

    async def retrieve_intent(self, intent_id: str) -> Intent:
        with _translate_errors():
            return _intent(await self._client.v1.payment_intents.retrieve_async(intent_id))

    async def cancel_intent(self, intent_id: str) -> Intent:
        """The intent after cancelling it, or as it is when it can no longer be cancelled."""
        try:
            with _translate_errors():
                return _intent(await self._client.v1.payment_intents.cancel_async(intent_id))
        except ProviderRefused:
            return await self.retrieve_intent(intent_id)

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        """The ids of an intent's failed charges."""
        with _translate_errors():
            page = await self._client.v1.charges.list_async(params={"payment_intent": intent_id, "limit": 100})
        return {charge.id for charge in page.data if charge.status == "failed"}

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        params: dict[str, Any] = {
            "payment_intent": refund.payment_intent_id,
            "amount": refund.amount.amount_minor,
            "metadata": {"refundId": str(refund.id), "sagaId": str(refund.saga_id)},
        }
        options: Any = {"idempotency_key": f"refund-{refund.id}"}
        with _translate_errors():
            return _refund(await self._client.v1.refunds.create_async(params=params, options=options))  # type: ignore[arg-type]

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        """Stripe's refund for this refund of ours."""
        if refund.provider_refund_id:
            with _translate_errors():
                return _refund(await self._client.v1.refunds.retrieve_async(refund.provider_refund_id))
        known = await self.list_refunds(refund.payment_intent_id)
        return next((item for item in known if item.refund_id == str(refund.id)), None)

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        """An intent's disputes, newest first; at most 100."""
        with _translate_errors():
            page = await self._client.v1.disputes.list_async(params={"payment_intent": intent_id, "limit": 100})
        return [Dispute(item.id, item.status) for item in page.data]

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        """An intent's refunds, newest first; at most 100."""
        with _translate_errors():
            page = await self._client.v1.refunds.list_async(params={"payment_intent": intent_id, "limit": 100})
        return [_refund(item) for item in page.data]

    def verify(self, payload: bytes, signature: str) -> ProviderEvent | None:
        """The event in a webhook's body; None when it names no intent. Raises BadSignature, BadInput.

        The body is parsed only after the signature over its raw bytes holds (Stripe: webhook signatures).
        """
        try:
            body = payload.decode()
        except UnicodeDecodeError as error:
            raise BadSignature from error
        if not any(_is_signed(body, signature, secret) for secret in self._webhook_secrets):
            raise BadSignature
        return _event(body)


def _is_signed(body: str, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError:
        return False
    return True


@contextlib.contextmanager
def _translate_errors() -> Any:
    """Stripe's errors → ours. After 429, 5xx and silence the outcome is unknown. Other refusals are final."""
    try:
        yield
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        if error.http_status == 409 or error.code == "lock_timeout":
            raise OutcomeUnknown from error
        raise ProviderRefused(error.code or "invalid_request", error.user_message or "refused") from error
    except stripe.StripeError as error:
        raise OutcomeUnknown from error


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _metadata(item: Any, key: str) -> Any:
    metadata = item.get("metadata") if isinstance(item, dict) else getattr(item, "metadata", None)
    if metadata is None:
        return None
    return metadata.get(key) if isinstance(metadata, dict) else getattr(metadata, key, None)


def _intent(item: Any) -> Intent:
    get = item.get if isinstance(item, dict) else lambda key, default=None: getattr(item, key, default)
    error = get("last_payment_error")
    charge = (error.get("charge") if isinstance(error, dict) else getattr(error, "charge", None)) if error else None
    return Intent(
        id=str(get("id")),
        status=str(get("status")),
        client_secret=str(get("client_secret") or ""),
        amount=int(get("amount") or 0),
        currency=str(get("currency") or "").upper(),
        received=int(get("amount_received") or 0),
        saga_id=_uuid(_metadata(item, "sagaId")),
        payment_id=_uuid(_metadata(item, "paymentId")),
        failed_charge=charge,
    )


def _refund(item: Any) -> ProviderRefund:
    return ProviderRefund(
        id=item.id,
        status=item.status or "pending",
        amount=item.amount,
        currency=item.currency.upper(),
        refund_id=str(_metadata(item, "refundId") or ""),
    )


def _event(body: str) -> ProviderEvent | None:
    """The event in a verified body; None when it names no intent. Raises BadInput when it is not an event at all."""
    try:
        return _event_of(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("not a Stripe event", field="payload") from error


def _event_of(event: dict[str, Any]) -> ProviderEvent | None:
    item = event["data"]["object"]
    intent_id = item.get("id") if item.get("object") == "payment_intent" else item.get("payment_intent")
    if not isinstance(intent_id, str):
        return None
    return ProviderEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        livemode=bool(event.get("livemode")),
        intent_id=intent_id,
        saga_id=_uuid(_metadata(item, "sagaId")),
        object=str(item.get("object")),
        status=str(item.get("status") or ""),
        intent=_intent(item) if item.get("object") == "payment_intent" else None,
    )
