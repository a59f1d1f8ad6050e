"""What happens in each state of a purchase: calls to the outside first, then exactly one Move, committed by the engine.

Every phase can be repeated from its start: its steps are idempotent under the saga's id, and a repeat looks at the
intent's present state instead of trusting what was true before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from mesh.errors import CallFailed, Refusal, TryAgain
from payment_svc.domain import (
    END_OF_UNDO,
    GiveBack,
    Move,
    Paid,
    PaymentStatus,
    RefundStatus,
    Saga,
    State,
    Undo,
    everything_of,
)
from payment_svc.domain.policy import Share
from payment_svc.peers import RefusedInDoubt, is_retryable
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import Intent, ProviderRefused
from payment_svc.providers.refunds import Refunds
from payment_svc.selling.definition import Definition

#: How long an opening may be tried when the slot's own hold is not even known.
OPENING_SECONDS = 300
Phase = Callable[[Saga], Awaitable[Move]]


class StillOwed(Exception):
    """Everything is undone but the money is not back yet."""

    reason = "REFUND_NOT_DONE"

    def __init__(self) -> None:
        super().__init__("the money is not back yet")


class Halted(Exception):
    """A phase cannot go on now, for this reason; what its steps have learned by then is the saga's to keep."""

    def __init__(self, saga: Saga, error: Exception) -> None:
        self.saga, self.error = saga, error
        super().__init__(str(error))


class Purchase:
    """The phases of one kind of purchase."""

    def __init__(self, definition: Definition, intents: Intents, refunds: Refunds, *, max_attempts: int) -> None:
        self.definition, self.kind, self.version = definition, definition.kind, definition.version
        self._intents, self._refunds, self._max_attempts = intents, refunds, max_attempts
        self._phases: dict[State, Phase] = {
            State.AWAITING_AVAILABILITY: self._open,
            State.AWAITING_PAYMENT: self._look,
            State.BOOKING_SESSION: self._close,
            State.COMPENSATING: self._undo,
        }

    async def advance(self, saga: Saga) -> Move:
        """The next move of a saga. Raises Refusal, CallFailed, Halted when the outside gives no usable answer."""
        return await self._phases[saga.state](saga)

    async def _open(self, saga: Saga) -> Move:
        first, *others = self.definition.opening
        try:
            saga = await first.do(saga)
        except RefusedInDoubt as doubt:
            knowing = saga.knowing(refused=as_error(doubt.refusal))
            return undoing(knowing, Undo.REFUSED, doubt.refusal.reason)
        except (Refusal, CallFailed) as error:
            return self._not_to_be_had(saga, error)
        if saga.context.get("hold_is_over"):
            return undoing(saga, Undo.EXPIRED)
        for step in others:
            try:
                saga = await step.do(saga)
            except Exception as error:
                return _not_recorded(saga, error)
        return await self._open_payment(saga)

    async def _open_payment(self, saga: Saga) -> Move:
        assert saga.price is not None
        if saga.price.amount_minor == 0:
            return Move(saga, State.BOOKING_SESSION, "nothing_to_pay", drive_on=True)
        try:
            intent = await self._intents.open(saga, saga.price)
        except ProviderRefused as error:
            return undoing(saga, Undo.PROVIDER_REFUSED, str(error))
        except Exception as error:
            raise Halted(saga, error) from error
        return self._opened(_with_intent(saga, intent), intent)

    def _not_to_be_had(self, saga: Saga, error: Refusal | CallFailed) -> Move:
        if isinstance(error, Refusal) and not is_retryable(error):
            return Move(saga, State.REJECTED, "rejected", error.reason, error=as_error(error))
        if saga.seconds_in_state > OPENING_SECONDS:
            return undoing(saga, Undo.EXPIRED)
        raise error

    def _opened(self, saga: Saga, intent: Intent) -> Move:
        if intent.succeeded or intent.canceled:
            return after_payment_news(saga, intent)
        return Move(saga, State.AWAITING_PAYMENT, "payment_opened", wait=True, payment=PaymentStatus.PENDING)

    async def _look(self, saga: Saga) -> Move:
        assert saga.payment_intent_id is not None
        if saga.hold_is_over:
            return undoing(saga, Undo.EXPIRED)
        intent = await self._intents.look(saga.payment_intent_id)
        if intent.succeeded or intent.canceled:
            return after_payment_news(saga, intent)
        if intent.failed_charge:
            failed = set(saga.context.get("failed_charges", ())) | await self._intents.failed_charges(intent.id)
            saga = saga.knowing(failed_charges=sorted(failed))
            if len(failed) >= self._max_attempts:
                return undoing(saga, Undo.DECLINED)
        return Move(saga, State.AWAITING_PAYMENT, "", wait=True)

    async def _close(self, saga: Saga) -> Move:
        try:
            saga = await self.definition.pivot.do(saga)
        except Refusal as refusal:
            _raise_if_retryable(refusal)
            return undoing(saga, Undo.SLOT_LOST, refusal.reason)
        for step in self.definition.closing:
            saga = await step.do(saga)
        return Move(_without_secret(saga), State.COMPLETED, "completed", tells=State.COMPLETED)

    async def _undo(self, saga: Saga) -> Move:
        intent = None if saga.undo is Undo.PROVIDER_REFUSED else await self._intents.close(saga)
        if intent is not None and saga.payment_intent_id is None:
            saga = _with_intent(saga, intent)
        if intent is not None and intent.succeeded and saga.undo.yields_to_payment:
            return after_payment_news(saga, intent)
        if not has_ended(saga):
            await self._undo_steps(saga)
        saga = _knowing_what_is_due(saga, intent)
        if intent is not None and intent.succeeded and due_back(saga, intent).amount.amount_minor:
            return await self._give_back(saga, intent)
        return _undone(saga, intent)

    async def _undo_steps(self, saga: Saga) -> None:
        for step in reversed(self.definition.opening):
            if step.undo is not None:
                await step.undo(saga)

    async def _give_back(self, saga: Saga, intent: Intent) -> Move:
        """What was sold ends first. Raises Halted while captured money that is due is not back."""
        if not has_ended(saga):
            return ending(saga, _told(saga))
        status = await self._refunds.give_back(saga, due_back(saga, intent), intent.received)
        if status is not RefundStatus.SUCCEEDED:
            raise Halted(saga, StillOwed())
        return _undone(saga, intent)


def _not_recorded(saga: Saga, error: Exception) -> Move:
    """What was held cannot be recorded: it is undone. Raises Halted when it may be recorded later."""
    if isinstance(error, Refusal) and not is_retryable(error):
        return undoing(saga, Undo.CANCELLED)
    raise Halted(saga, error) from error


def after_payment_news(saga: Saga, intent: Intent) -> Move:
    """The move that a succeeded or canceled intent asks for: on to the lesson, or back.

    What was received must be the price, to the cent, in its currency; otherwise it goes back in full.
    """
    price, paid = saga.price, intent.paid
    assert price is not None
    saga = _without_secret(saga)
    if intent.canceled:
        return undoing(saga, Undo.CANCELLED, "the intent was cancelled")
    if not paid.settles(price):
        detail = f"received {paid.amount_minor} {paid.currency}"
        return undoing(saga, Undo.AMOUNT_MISMATCH, detail, PaymentStatus.SUCCEEDED, paid)
    return Move(
        saga,
        State.BOOKING_SESSION,
        "payment_succeeded",
        drive_on=True,
        payment=PaymentStatus.SUCCEEDED,
        received=paid,
    )


def undoing(
    saga: Saga, why: Undo, detail: str = "", payment: PaymentStatus | None = None, paid: Paid | None = None
) -> Move:
    """Turn back: from here on the saga is compensated, and how its booking ends is settled."""
    return Move(
        saga.knowing(undo=why.value, ends_as=_end_of(saga, why).value),
        State.COMPENSATING,
        f"undo_{why.value.lower()}",
        detail,
        drive_on=True,
        payment=payment,
        received=paid,
    )


def ending(saga: Saga, end: State | None) -> Move:
    """What was sold has ended, and that is committed and told before its money goes back: nobody hears of a refund first."""
    return Move(saga.knowing(ended=True), State.COMPENSATING, "", drive_on=True, tells=end)


def has_ended(saga: Saga) -> bool:
    """True once `ending` is committed."""
    return bool(saga.context.get("ended"))


def due_back(saga: Saga, intent: Intent) -> GiveBack:
    """What has to go back of an undone saga's money: all of it, or what a person's cancel decided."""
    wish = everything_of(intent.id, intent.paid, saga.undo.value.lower())
    decided = saga.context.get("cancel")
    if decided is None or saga.price is None or not intent.paid.settles(saga.price):
        return wish
    return replace(wish, amount=Share(decided["percent"], "").of(saga.price))


def booking_end(saga: Saga) -> State:
    """How the booking of an undone saga ends, the same at every try and for everybody who is told."""
    settled = saga.context.get("ends_as")  # not in rows of before 2026-11-26
    return State(settled) if settled else _end_of(saga, saga.undo)


def _end_of(saga: Saga, why: Undo) -> State:
    """As the saga would have ended now, had no money come."""
    if why is Undo.SLOT_LOST or why is Undo.AMOUNT_MISMATCH:
        return State.EXPIRED if saga.hold_is_over else State.CANCELLED
    return END_OF_UNDO[why]


def as_error(error: Exception) -> dict[str, str]:
    """What the row keeps of an error: enough to answer a repeat, and nothing internal for the caller."""
    if isinstance(error, Refusal):
        return {"code": error.status_code.name, "reason": error.reason, "message": error.message, "field": error.field}
    reason = getattr(error, "reason", TryAgain.reason)
    return {"code": "UNAVAILABLE", "reason": reason, "message": f"{type(error).__name__}: {error}"}


def _knowing_what_is_due(saga: Saga, intent: Intent | None) -> Saga:
    """A person's cancel that met a payment after all: the decision now has an amount."""
    if intent is None or not intent.succeeded or "cancel" not in saga.context:
        return saga
    decided, due = saga.context["cancel"], due_back(saga, intent).amount.amount_minor
    rule = f"paid while it was being cancelled: {decided['percent']} %"
    return saga.knowing(cancel={**decided, "refund_minor": due, "rule": rule})


def _undone(saga: Saga, intent: Intent | None) -> Move:
    saga, told = _without_secret(saga), _told(saga)
    if saga.undo is Undo.REFUSED and intent is None and not saga.context.get("booked"):
        refused = saga.context["refused"]
        return Move(saga, State.REJECTED, "rejected", refused["reason"], error=refused)
    if intent is not None and intent.succeeded:
        end = State.REFUNDED if due_back(saga, intent).amount.amount_minor else State.CANCELLED
        return Move(saga, end, end.value.lower(), payment=PaymentStatus.SUCCEEDED, received=intent.paid, tells=told)
    end = booking_end(saga)
    failed = saga.undo in (Undo.DECLINED, Undo.PROVIDER_REFUSED)
    closed = PaymentStatus.FAILED if failed else PaymentStatus.CANCELLED
    if intent is None:
        return Move(saga, end, end.value.lower(), tells=told)
    return Move(saga.knowing(unpaid=True), end, end.value.lower(), payment=closed, tells=told)


def _told(saga: Saga) -> State | None:
    """How what was sold ended; None when people know, or never saw it."""
    return booking_end(saga) if saga.context.get("booked") and not has_ended(saga) else None


def _with_intent(saga: Saga, intent: Intent) -> Saga:
    """The saga with its intent; one that forgot its price knows it again, for the intent was made with it."""
    price = saga.context.get("price") or {"amount_minor": intent.amount, "currency": intent.currency}
    return replace(saga.knowing(client_secret=intent.client_secret, price=price), payment_intent_id=intent.id)


def _without_secret(saga: Saga) -> Saga:
    return replace(saga, context={key: value for key, value in saga.context.items() if key != "client_secret"})


def _raise_if_retryable(refusal: Refusal) -> None:
    if is_retryable(refusal):
        raise refusal
