"""Carries out a definition: calls to the outside first, then exactly one transition, which the engine commits.

Everything here can be repeated from its start. The steps are idempotent under the saga's id. A repeat reads the intent
again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from mesh.errors import CallFailed, Refusal
from payment_svc.domain import Intent, PaymentStatus, Saga, SagaError, State, StillOwed, Transition, Undo
from payment_svc.domain.owed import owed_by_undo
from payment_svc.engine.definition import Halted
from payment_svc.peers import Peers, is_retryable
from payment_svc.providers.port import NoSuchIntent, ProviderRefused
from payment_svc.selling.definition import Definition
from payment_svc.selling.holding import RefusedInDoubt
from payment_svc.selling.payment import PaymentPorts
from payment_svc.selling.transitions import (
    announce_end,
    await_payment,
    complete,
    end_to_announce,
    end_undone,
    follow_intent,
    learn_declines,
    reject,
    skip_payment,
    turn_back,
    with_intent,
)

#: How long the first step may be tried when nobody knows whether it holds anything.
OPENING_SECONDS = 300


class Purchase:
    """A kind of saga that sells something, as the engine runs it."""

    def __init__(self, definition: Definition, peers: Peers, ports: PaymentPorts, *, max_attempts: int) -> None:
        self.definition, self.kind, self.version = definition, definition.kind, definition.version
        self._peers, self._ports, self._max_attempts = peers, ports, max_attempts
        self._phases: dict[State, Callable[[Saga], Awaitable[Transition]]] = {
            State.AWAITING_AVAILABILITY: self._open,
            State.AWAITING_PAYMENT: self._check_payment,
            State.BOOKING_SESSION: self._deliver,
            State.COMPENSATING: self._undo,
        }

    def with_version(self, version: int) -> Purchase:
        """The same under another version of its definition."""
        newer = replace(self.definition, version=version)
        return Purchase(newer, self._peers, self._ports, max_attempts=self._max_attempts)

    async def advance(self, saga: Saga) -> Transition:
        """The next transition. Raises Refusal, CallFailed, NotYet, NeedsAPerson, Halted."""
        return await self._phases[saga.state](saga)

    # AWAITING_AVAILABILITY: the steps before the payment, then the payment is opened.

    async def _open(self, saga: Saga) -> Transition:
        first, *others = self.definition.before_payment
        try:
            saga = await first.do(self._peers, saga)
        except RefusedInDoubt as doubt:
            learned = saga.with_facts(refusal=SagaError.of(doubt.refusal))
            return turn_back(learned, Undo.REFUSED, doubt.refusal.reason)
        except (Refusal, CallFailed) as error:
            return self._follow_first_failure(saga, error)
        if saga.purchase_facts.hold_was_over:
            return turn_back(saga, self.definition.wait.hold_ends)
        for step in others:
            try:
                saga = await step.do(self._peers, saga)
            except Exception as error:
                return _follow_later_failure(saga, error)
        return await self._open_payment(saga)

    def _follow_first_failure(self, saga: Saga, error: Refusal | CallFailed) -> Transition:
        if isinstance(error, Refusal) and not is_retryable(error):
            return reject(saga, SagaError.of(error))
        if saga.seconds_in_state > OPENING_SECONDS:
            return turn_back(saga, self.definition.wait.hold_ends)
        raise error

    async def _open_payment(self, saga: Saga) -> Transition:
        if saga.is_free:
            return skip_payment(saga)
        try:
            intent = await self.definition.payment.do(self._ports, saga)
        except ProviderRefused as error:
            return turn_back(saga, Undo.PROVIDER_REFUSED, str(error))
        except Exception as error:
            raise Halted(saga, error) from error
        saga = with_intent(saga, intent)
        if intent.has_ended:
            return follow_intent(saga, intent)
        return await_payment(saga, "payment_opened", PaymentStatus.PENDING)

    # AWAITING_PAYMENT: wakes by a report of the provider, or when the hold ends.

    async def _check_payment(self, saga: Saga) -> Transition:
        wait = self.definition.wait
        if saga.hold_is_over:
            return turn_back(saga, wait.hold_ends)
        try:
            look = await wait.look(self._ports, saga)
        except NoSuchIntent:
            return turn_back(saga, Undo.CANCELLED, "the provider does not know the intent")
        if look.intent.has_ended:
            return follow_intent(saga, look.intent)
        saga = learn_declines(saga, look.intent, look.declined_charges)
        if look.declined_charges and len(saga.purchase_facts.declined_charges) >= self._max_attempts:
            return turn_back(saga, wait.every_attempt_declined)
        return await_payment(saga)

    # BOOKING_SESSION: paid, or free. The pivot, then only forward.

    async def _deliver(self, saga: Saga) -> Transition:
        pivot = self.definition.pivot
        try:
            saga = await pivot.do(self._peers, saga)
        except Refusal as refusal:
            if is_retryable(refusal):
                raise
            return turn_back(saga, pivot.refused, refusal.reason)
        for step in self.definition.after_pivot:
            saga = await step.do(self._peers, saga)
        return complete(saga)

    # COMPENSATING: the payment is closed, then the steps are undone from last to first, then money goes back.

    async def _undo(self, saga: Saga) -> Transition:
        intent = await self.definition.payment.undo(self._ports, saga)
        if intent is not None and saga.payment_intent_id is None:
            saga = with_intent(saga, intent)
        facts = saga.purchase_facts
        assert facts.undo is not None
        if intent is not None and intent.succeeded and facts.undo.yields_to_payment:
            return follow_intent(saga, intent)
        if not facts.has_ended:
            await self._undo_steps(saga)
        saga = _learn_what_is_due(saga, intent)
        if intent is not None and intent.succeeded and owed_by_undo(saga, intent).amount.amount_minor:
            return await self._refund(saga, intent)
        return end_undone(saga, intent)

    async def _undo_steps(self, saga: Saga) -> None:
        for step in reversed(self.definition.before_payment):
            if step.undo is not None:
                await step.undo(self._peers, saga)

    async def _refund(self, saga: Saga, intent: Intent) -> Transition:
        """What was sold ends in a commit of its own, before its money goes back."""
        if not saga.purchase_facts.has_ended:
            return replace(
                announce_end(saga, end_to_announce(saga)), payment=PaymentStatus.SUCCEEDED, received=intent.money
            )
        try:
            await self.definition.payment.refund(self._ports, saga, intent)
        except StillOwed as error:
            raise Halted(saga, error) from error
        return end_undone(saga, intent)


def _follow_later_failure(saga: Saga, error: Exception) -> Transition:
    """A later step was refused for good: the saga turns back. Raises Halted when the step may succeed later."""
    if isinstance(error, Refusal) and not is_retryable(error):
        return turn_back(saga, Undo.CANCELLED)
    raise Halted(saga, error) from error


def _learn_what_is_due(saga: Saga, intent: Intent | None) -> Saga:
    """A payment arrived during a person's cancel: the cancel now has an amount to give back."""
    decided = saga.purchase_facts.cancel
    if intent is None or not intent.succeeded or decided is None:
        return saga
    due = owed_by_undo(saga, intent).amount.amount_minor
    rule = f"paid while it was being cancelled: {decided.percent} %"
    return saga.with_facts(cancel=replace(decided, refund_minor=due, rule=rule))
