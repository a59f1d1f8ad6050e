"""Cancelling a booking or an enrollment: what it would give back, and doing it. The first committed decision wins.

Before the payment the purchase itself is undone; between pivot and completion it first finishes forward; afterwards a
saga of its own takes back what was sold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from mesh import calls
from mesh.errors import NotFound, Refusal, TryAgain
from mesh.money import Money
from payment_svc.cancelling.quotes import LIFETIME, Quote, Quotes
from payment_svc.cancelling.terms import LESSON, PAID, Decision, Terms
from payment_svc.domain import (
    GiveBack,
    NotCancellable,
    Payment,
    QuoteExpired,
    Refund,
    RefundStatus,
    Saga,
    State,
    Undo,
)
from payment_svc.domain.policy import Share
from payment_svc.engine.engine import Engine
from payment_svc.selling.purchase import StillOwed, undoing
from payment_svc.store import CancellationStore, PaymentStore


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancel: what goes back, and the saga that sees to it."""

    refund: Money
    saga_id: UUID


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The use cases of QuoteCancellation and CancelBooking, and of CancelEnrollment, each by its own `terms`."""

    engine: Engine
    store: CancellationStore
    payments: PaymentStore
    quotes: Quotes
    new_id: Callable[[], UUID]
    terms: Terms = LESSON

    async def quote(self, booking_id: UUID) -> tuple[Quote, str]:
        """What cancelling would give back now, and its token. Raises NotFound, NotCancellable."""
        purchase = await self._visible(booking_id)
        if await self.store.of_booking(booking_id) is not None:
            raise NotCancellable("it is cancelled already")
        decision = await self._decided(purchase)
        quote = Quote(
            booking_id=str(booking_id),
            person_id=_caller_id(),
            payment=decision.payment,
            minor=decision.refund.amount_minor,
            percent=decision.share.percent,
            rule=decision.share.rule,
            expires_at=purchase.loaded_at + LIFETIME,
        )
        return quote, decision.refund.currency

    async def cancel(self, sold_id: UUID, token: str, reason: str) -> Cancelled:
        """Cancel a booking or an enrollment, or learn what an earlier cancel decided.

        Raises NotFound, NotCancellable, QuoteExpired, Overloaded, and TryAgain while the thing does not show it yet.
        """
        self.engine.admit()
        while True:
            purchase = await self._visible(sold_id)
            earlier = await self.store.of_booking(sold_id)
            if earlier is not None:
                return await self._finished(earlier)
            answer = await self._cancelled(purchase, token, reason)
            if answer is not None:
                return answer

    async def _cancelled(self, purchase: Saga, token: str, reason: str) -> Cancelled | None:
        """The answer; None when the purchase has moved meanwhile and must be looked at again."""
        if purchase.is_complete and purchase.refund_due is not None:
            return Cancelled(purchase.refund_due, purchase.id)
        if purchase.state is State.COMPLETED:
            return await self._take_back(purchase, await self._agreed(purchase, token), reason)
        if purchase.state is State.AWAITING_PAYMENT:
            if not self.engine.drives(purchase):  # a version that other replicas know
                raise TryAgain
            return await self._undo(purchase, await self._agreed(purchase, token), reason)
        if purchase.is_complete:
            raise NotCancellable
        if purchase.state is State.COMPENSATING and purchase.refund_due is not None:
            return await self._finished(purchase)
        settled = await self.engine.settle(purchase.id, lambda row: row.state is not purchase.state)
        if settled.state is purchase.state:
            raise TryAgain
        return None

    async def _undo(self, purchase: Saga, decision: Decision, reason: str) -> Cancelled | None:
        """Before the payment: the purchase turns back. Money that races it goes back by the same decision."""
        claimed = await self.engine.store.claim_free(purchase)
        if claimed is None:
            await self.engine.settle(purchase.id, lambda row: not row.is_leased)
            return None
        if claimed.state is not purchase.state:  # it has moved between the look and the claim
            self.engine.start(claimed)
            return None
        knowing = claimed.knowing(cancel=decision.kept())
        moved = await self.engine.store.move(undoing(knowing, Undo.CANCELLED, decision.words(reason)))
        if moved is None:  # news of the payment came first
            self.engine.start(claimed)
            await self.engine.settle(purchase.id, lambda row: not row.is_leased)
            return None
        self.engine.start(moved)
        return await self._finished(moved)

    async def _take_back(self, purchase: Saga, decision: Decision, reason: str) -> Cancelled | None:
        """After completion: a saga of its own, its refund committed with it."""
        payment = await self.payments.get(purchase.payment_id)
        new_id = self.new_id()
        context = {
            "purchase_id": str(purchase.id),
            "cancel": decision.kept(),
            "price": purchase.context["price"],
            "undo": Undo.CANCELLED.value,
            "intent_id": payment.intent_id if payment else None,
            "received_minor": payment.received_minor if payment else 0,
        }
        refund = _first_refund(new_id, purchase, payment, decision)
        begun = await self.store.begin(purchase, new_id, context, refund, decision.words(reason))
        if begun is None:
            return None
        self.engine.start(begun)
        return await self._finished(begun)

    async def _finished(self, saga: Saga) -> Cancelled:
        """The answer once booking or enrollment shows it; a refund on its way is no reason to wait."""
        saga = await self.engine.settle(saga.id, _it_shows)
        if saga.state is State.REJECTED:
            raise Refusal.known(**(saga.error or {}))
        if not _it_shows(saga) or saga.refund_due is None:
            raise TryAgain
        return Cancelled(saga.refund_due, saga.id)

    async def _visible(self, sold_id: UUID) -> Saga:
        saga = await self.engine.store.by_booking(sold_id)
        if saga is None or saga.kind != self.terms.sold_by or saga.state is State.REJECTED or saga.price is None:
            raise NotFound
        if not calls.current().speaks_for(saga.student_id, saga.tutor_id):
            raise NotFound
        return saga

    async def _agreed(self, purchase: Saga, token: str) -> Decision:
        """What is decided now, or what was quoted: exactly that, until it expires."""
        decision = await self._decided(purchase)
        if not token:
            return decision
        quote = self.quotes.read(token)
        bound_to = (quote.booking_id, quote.person_id, quote.payment)
        if bound_to != (str(purchase.booking_id), _caller_id(), decision.payment):
            raise QuoteExpired
        if quote.expires_at <= purchase.loaded_at:
            raise QuoteExpired
        quoted = Money(quote.minor, decision.refund.currency)
        return Decision(decision.by, Share(quote.percent, quote.rule), quoted, decision.payment)

    async def _decided(self, purchase: Saga) -> Decision:
        """What the frozen policy says now. Raises NotCancellable, TryAgain."""
        payment = await self.payments.get(purchase.payment_id) if purchase.state in PAID else None
        return self.terms.decided(purchase, payment)


def _caller_id() -> str:
    call = calls.current()
    return str(call.person.id) if call.person else call.service


def _it_shows(saga: Saga) -> bool:
    return saga.is_complete or (saga.error or {}).get("reason") == StillOwed.reason


def _first_refund(cancel_id: UUID, purchase: Saga, payment: Payment | None, decision: Decision) -> Refund | None:
    if payment is None or not decision.refund.amount_minor:
        return None
    wish = GiveBack(f"cancel:{cancel_id}", payment.intent_id, decision.refund, "cancelled")
    return Refund(
        id=wish.refund_id(0),
        payment_id=payment.id,
        saga_id=purchase.id,
        payment_intent_id=payment.intent_id,
        amount=decision.refund,
        status=RefundStatus.PENDING,
        reason=wish.reason,
    )
