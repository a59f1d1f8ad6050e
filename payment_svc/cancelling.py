"""Cancelling a booking: what it would give back, and doing it. The first committed decision wins.

Before the payment the purchase itself is undone; between pivot and completion it first finishes forward; afterwards a
CancelBookingSaga takes the sold lesson back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mesh import calls
from mesh.errors import NotFound, Refusal, TryAgain
from mesh.money import Money
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
from payment_svc.policy import EVERYTHING, NOTHING_PAID, Share, share
from payment_svc.quotes import LIFETIME, Quote, Quotes
from payment_svc.sagas.engine import Engine
from payment_svc.sagas.phases import StillOwed, undoing
from payment_svc.store import CancellationStore, PaymentStore

PAID = frozenset({State.BOOKING_SESSION, State.COMPLETED})


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancel: what goes back, and the saga that sees to it."""

    refund: Money
    saga_id: UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """What a cancel would do now."""

    by: str
    share: Share
    refund: Money
    payment: str  # the state of the payment that it is for

    def kept(self) -> dict[str, Any]:
        """What the saga remembers of it."""
        return {
            "by": self.by,
            "percent": self.share.percent,
            "rule": self.share.rule,
            "refund_minor": self.refund.amount_minor,
        }


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The use cases of QuoteCancellation and CancelBooking."""

    engine: Engine
    store: CancellationStore
    payments: PaymentStore
    quotes: Quotes
    new_id: Callable[[], UUID]

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

    async def cancel(self, booking_id: UUID, token: str, reason: str) -> Cancelled:
        """Cancel, or learn what an earlier cancel decided.

        Raises NotFound, NotCancellable, QuoteExpired, Overloaded, and TryAgain while the booking does not show it yet.
        """
        self.engine.admit()
        while True:
            purchase = await self._visible(booking_id)
            earlier = await self.store.of_booking(booking_id)
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
        moved = await self.engine.store.move(undoing(knowing, Undo.CANCELLED, _words(decision, reason)))
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
        begun = await self.store.begin(purchase, new_id, context, refund, _words(decision, reason))
        if begun is None:
            return None
        self.engine.start(begun)
        return await self._finished(begun)

    async def _finished(self, saga: Saga) -> Cancelled:
        """The answer once the booking shows it; a refund on its way is no reason to wait."""
        saga = await self.engine.settle(saga.id, _booking_shows_it)
        if saga.state is State.REJECTED:
            raise Refusal.known(**(saga.error or {}))
        if not _booking_shows_it(saga) or saga.refund_due is None:
            raise TryAgain
        return Cancelled(saga.refund_due, saga.id)

    async def _visible(self, booking_id: UUID) -> Saga:
        saga = await self.engine.store.by_booking(booking_id)
        if saga is None or saga.state is State.REJECTED or saga.price is None:
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
        """What the frozen policy says now. Raises NotCancellable."""
        if purchase.state not in PAID and purchase.state is not State.AWAITING_PAYMENT:
            if purchase.is_complete:
                raise NotCancellable
            raise TryAgain
        by, left = _who(purchase), purchase.time_slot - purchase.loaded_at
        if by == "student" and left.total_seconds() <= 0:
            raise NotCancellable("the lesson has begun")
        decided = share(purchase.context["policy"], left) if by == "student" else Share(100, EVERYTHING)
        return await self._priced(purchase, by, decided)

    async def _priced(self, purchase: Saga, by: str, decided: Share) -> Decision:
        assert purchase.price is not None
        if purchase.state not in PAID:
            nothing = Money(0, purchase.price.currency)
            return Decision(by, Share(decided.percent, NOTHING_PAID), nothing, "unpaid")
        payment = await self.payments.get(purchase.payment_id)
        given = payment.refunded_minor if payment else 0
        left = (payment.received_minor if payment else 0) - given
        due = min(decided.of(purchase.price).amount_minor, left)
        return Decision(by, decided, Money(due, purchase.price.currency), f"paid, {given} back")


def _who(purchase: Saga) -> str:
    """In whose name the caller cancels."""
    person = calls.current().person
    if person is None or person.is_service:
        return "platform"
    if person.id == purchase.student_id:
        return "student"
    return "tutor" if person.id == purchase.tutor_id else "admin"


def _caller_id() -> str:
    call = calls.current()
    return str(call.person.id) if call.person else call.service


def _words(decision: Decision, reason: str) -> str:
    words = f"by the {decision.by}; {decision.share.rule}"
    return f"{words}: {reason}" if reason else words


def _booking_shows_it(saga: Saga) -> bool:
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
