"""Cancelling a booking or an enrollment: what it would give back, and doing it. The first committed decision wins.

| the purchase | what a cancel does |
|---|---|
| awaits its payment | turns the purchase itself back |
| is paid, and not complete yet | waits until it is complete |
| is complete | begins a saga that takes back what was sold (take_back.py) |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from mesh import about, calls
from mesh.errors import NotFound, TryAgain
from mesh.money import Money
from payment_svc.cancelling.cancel_booking import CANCEL_BOOKING
from payment_svc.cancelling.quotes import LIFETIME, Quote, Quotes
from payment_svc.cancelling.take_back import CancelDefinition
from payment_svc.domain import (
    CancelFacts,
    NotCancellable,
    Payment,
    QuoteExpired,
    Refund,
    RefundStatus,
    Saga,
    State,
    Undo,
)
from payment_svc.domain.owed import LESSON_TERMS, PAID, Offer, Terms, decide_cancel, name_cancel_refund
from payment_svc.engine.engine import Engine
from payment_svc.selling.transitions import turn_back
from payment_svc.store import CancellationStore, PaymentStore, SagaStore


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancel: what goes back, and the saga that carries it out."""

    refund: Money
    saga_id: UUID


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Quotes and cancels of bookings, and of enrollments: each by its own `definition`, under its own `terms`."""

    engine: Engine
    sagas: SagaStore
    cancellations: CancellationStore
    payments: PaymentStore
    quotes: Quotes
    new_id: Callable[[], UUID]
    definition: CancelDefinition = CANCEL_BOOKING
    terms: Terms = LESSON_TERMS

    async def quote(self, sold_id: UUID) -> tuple[Quote, str]:
        """What cancelling would give back now, and its currency. Raises NotFound, NotCancellable, TryAgain."""
        purchase = await self._find_visible(sold_id)
        if await self.cancellations.of_sold(sold_id) is not None:
            raise NotCancellable("it is cancelled already")
        offer = await self._decide(purchase)
        quote = Quote(
            booking_id=str(sold_id),
            person_id=_caller_id(),
            payment=offer.payment_state,
            minor=offer.refund.amount_minor,
            percent=offer.decision.percent,
            rule=offer.decision.rule,
            expires_at=purchase.loaded_at + LIFETIME,
        )
        return quote, offer.refund.currency

    async def cancel(self, sold_id: UUID, token: str, reason: str) -> Cancelled:
        """Cancel a booking or an enrollment, or learn what an earlier cancel decided.

        Raises NotFound, NotCancellable, QuoteExpired, Overloaded, and TryAgain while the booking does not show it yet.
        """
        self.engine.refuse_when_full()
        while True:
            purchase = await self._find_visible(sold_id)
            earlier = await self.cancellations.of_sold(sold_id)
            if earlier is not None:
                return await self._answer_when_shown(earlier)
            answer = await self._cancel(purchase, token, reason)
            if answer is not None:
                return answer

    async def _cancel(self, purchase: Saga, token: str, reason: str) -> Cancelled | None:
        """The answer; None when the purchase has moved meanwhile and must be read again."""
        if purchase.is_complete and purchase.refund_due is not None:
            return Cancelled(purchase.refund_due, purchase.id)
        if purchase.state is State.COMPLETED:
            return await self._take_back(purchase, await self._decide_as_quoted(purchase, token), reason)
        if purchase.state is State.AWAITING_PAYMENT:
            if not self.engine.can_run(purchase):  # only other replicas know its version
                raise TryAgain
            return await self._turn_back(purchase, await self._decide_as_quoted(purchase, token), reason)
        if purchase.refund_due is not None and purchase.state in (State.COMPENSATING, State.PARKED):
            return await self._answer_when_shown(purchase)
        if purchase.has_ended:
            raise NotCancellable
        moved = await self.engine.wait_until(purchase.id, lambda row: row.state is not purchase.state)
        if moved.state is purchase.state:
            raise TryAgain
        return None

    async def _turn_back(self, purchase: Saga, offer: Offer, reason: str) -> Cancelled | None:
        """Before the payment. Money that arrives meanwhile goes back by the same decision."""
        claimed = await self.sagas.claim_free(purchase)
        if claimed is None:
            await self.engine.wait_until(purchase.id, lambda row: not row.is_leased)
            return None
        if claimed.state is not purchase.state:  # it moved between the read and the claim
            self.engine.start(claimed)
            return None
        learned = claimed.with_facts(cancel=offer.decision)
        moved = await self.sagas.commit(turn_back(learned, Undo.CANCELLED, offer.decision.describe(reason)))
        if moved is None:  # a signal of the payment came first
            self.engine.start(claimed)
            await self.engine.wait_until(purchase.id, lambda row: not row.is_leased)
            return None
        self.engine.start(moved)
        return await self._answer_when_shown(moved)

    async def _take_back(self, purchase: Saga, offer: Offer, reason: str) -> Cancelled | None:
        """After completion: a saga of its own, its refund committed with it."""
        payment, price = await self.payments.get(purchase.payment_id), purchase.price
        assert price is not None
        new_id = self.new_id()
        facts = CancelFacts(
            purchase_id=purchase.id,
            cancel=offer.decision,
            price=price,
            intent_id=payment.intent_id if payment else "",
            received_minor=payment.received_minor if payment else 0,
            tutor_name=purchase.purchase_facts.tutor_name,
        )
        refund = _first_refund(new_id, purchase, payment, offer.refund)
        begun = await self.cancellations.begin(
            purchase,
            new_id,
            kind=self.definition.kind,
            version=self.definition.version,
            facts=facts,
            refund=refund,
            detail=offer.decision.describe(reason),
        )
        if begun is None:
            return None
        self.engine.start(begun)
        return await self._answer_when_shown(begun)

    async def _answer_when_shown(self, saga: Saga) -> Cancelled:
        """The answer once the booking or the enrollment shows it.

        A refund on its way is not waited for, and one that the provider refuses changes nothing of the answer.
        """
        saga = await self.engine.wait_until(saga.id, lambda row: row.has_ended)
        if saga.state is State.REJECTED and saga.error is not None:
            raise saga.error.to_refusal()
        if not saga.has_ended or saga.refund_due is None:
            raise TryAgain
        return Cancelled(saga.refund_due, saga.id)

    async def _find_visible(self, sold_id: UUID) -> Saga:
        saga = await self.sagas.by_sold(sold_id)
        if saga is None or saga.kind != self.terms.sold_by or saga.state is State.REJECTED or saga.price is None:
            raise NotFound
        if not calls.current().speaks_for(saga.student_id, saga.tutor_id):
            raise NotFound
        about.learn(saga.ids)
        return saga

    async def _decide_as_quoted(self, purchase: Saga, token: str) -> Offer:
        """What is decided now, or exactly what was quoted until the quote expires. Raises QuoteExpired."""
        offer = await self._decide(purchase)
        if not token:
            return offer
        quote = self.quotes.read(token)
        bound_to = (quote.booking_id, quote.person_id, quote.payment)
        if bound_to != (str(purchase.sold_id), _caller_id(), offer.payment_state):
            raise QuoteExpired
        if quote.expires_at <= purchase.loaded_at:
            raise QuoteExpired
        decision = replace(offer.decision, percent=quote.percent, rule=quote.rule, refund_minor=quote.minor)
        return replace(offer, decision=decision, refund=Money(quote.minor, offer.refund.currency))

    async def _decide(self, purchase: Saga) -> Offer:
        """What the frozen policy says now. Raises NotCancellable, TryAgain."""
        payment = await self.payments.get(purchase.payment_id) if purchase.state in PAID else None
        return decide_cancel(self.terms, purchase, payment, _caller_role(purchase, self.terms.teacher))


def _caller_role(purchase: Saga, teacher: str) -> str:
    """In whose name the caller cancels."""
    person = calls.current().person
    if person is None or person.is_service:
        return "platform"
    if person.id == purchase.student_id:
        return "student"
    return teacher if person.id == purchase.tutor_id else "admin"


def _caller_id() -> str:
    call = calls.current()
    return str(call.person.id) if call.person else call.service


def _first_refund(cancel_id: UUID, purchase: Saga, payment: Payment | None, amount: Money) -> Refund | None:
    if payment is None or not amount.amount_minor:
        return None
    decision = name_cancel_refund(cancel_id, payment.intent_id, amount)
    return Refund(
        id=decision.refund_id(0),
        payment_id=payment.id,
        saga_id=purchase.id,
        payment_intent_id=payment.intent_id,
        amount=amount,
        status=RefundStatus.PENDING,
        reason=decision.reason,
        told_as=decision.told_as(0),
    )
