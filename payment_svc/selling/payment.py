"""The steps around the payment: open it, look at it, close it, give it back."""

from __future__ import annotations

from dataclasses import dataclass

from payment_svc.domain import Intent, RefundStatus, Saga, StillOwed, Undo
from payment_svc.domain.owed import owed_by_undo
from payment_svc.providers.intents import Intents
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Providers


@dataclass(frozen=True, slots=True)
class PaymentPorts:
    """What the steps around the payment work with."""

    providers: Providers
    intents: Intents
    refunds: Refunds


@dataclass(frozen=True, slots=True)
class PaymentLook:
    """The intent as it is now, and the ids of all its declined attempts (empty when the latest was not declined)."""

    intent: Intent
    declined_charges: frozenset[str]


async def open_payment(ports: PaymentPorts, saga: Saga) -> Intent:
    """The saga's intent, made once. A saga that may have made one before (`is_repeat`) looks for it first.

    Raises ProviderRefused when the provider takes no such payment, and OutcomeUnknown.
    """
    assert saga.price is not None
    return await ports.intents.open(saga, saga.price)


async def look_at_payment(ports: PaymentPorts, saga: Saga) -> PaymentLook:
    """How the payment stands. Raises ProviderUnavailable."""
    assert saga.payment_intent_id is not None
    intent = await ports.providers.retrieve_intent(saga.payment_intent_id)
    is_declined = intent.failed_charge is not None and not intent.has_ended
    declined = await ports.providers.list_declined_charges(intent.id) if is_declined else set()
    return PaymentLook(intent, frozenset(declined))


async def close_payment(ports: PaymentPorts, saga: Saga) -> Intent | None:
    """Make sure that nobody can pay any more: the intent then, canceled or succeeded. None when there is none."""
    if saga.purchase.undo is Undo.PROVIDER_REFUSED:
        return None
    return await ports.intents.close(saga)


async def refund_payment(ports: PaymentPorts, saga: Saga, intent: Intent) -> None:
    """Give back what the undone saga owes of its paid intent. Raises StillOwed until all of it is back."""
    status = await ports.refunds.carry_out(saga, owed_by_undo(saga, intent), intent.received)
    if status is not RefundStatus.SUCCEEDED:
        raise StillOwed
