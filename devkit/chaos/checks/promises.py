"""Compare what the clients were told with what became of it, after the mesh has quiesced. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devkit.chaos.ledger import View
from devkit.chaos.orders import Seat

ENDS = frozenset({"CANCELLED", "PAYMENT_FAILED", "EXPIRED"})


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """One PaymentIntent at the provider. Amounts are in minor units; `returned` leaves out failed refunds."""

    intent: str
    saga: str
    received: int
    returned: int


def read_payments(state: Mapping[str, Any]) -> list[ProviderPayment]:
    """The provider's PaymentIntents, out of the sandbox's state."""
    returned: defaultdict[str, int] = defaultdict(int)
    for refund in state["refunds"]:
        if refund["status"] in ("succeeded", "pending"):
            returned[refund["payment_intent"]] += refund["amount"]
    return [
        ProviderPayment(
            intent["id"],
            intent["metadata"].get("sagaId", ""),
            intent["amount_received"],
            returned[intent["id"]],
        )
        for intent in state["payment_intents"]
    ]


def find_broken_promises(views: Iterable[View], paid: Sequence[ProviderPayment]) -> list[str]:
    """One line for each fact that differs from what a client was told or paid for."""
    by_saga: defaultdict[str, list[ProviderPayment]] = defaultdict(list)
    for money in paid:
        by_saga[money.saga].append(money)
    found: list[str] = []
    for view in views:
        mine = [money for money in by_saga.pop(view.saga, []) if money.received]
        found += (f"{view.name}: {what}" for what in _view_faults(view, mine))
    for money in (left for others in by_saga.values() for left in others):
        if money.received != money.returned:
            found.append(f"intent {money.intent} (saga {money.saga}) was paid, and no client was told of what it buys")
    return found


def find_oversold_courses(views: Iterable[View]) -> list[str]:
    """One line for each course with more students than seats, or with one student in two seats."""
    live: defaultdict[Seat, list[View]] = defaultdict(list)
    for view in views:
        if isinstance(view.order, Seat) and view.final == view.product.live:
            live[view.order].append(view)
    return [
        f"course {course.course} has {course.seats} seats: {', '.join(view.name for view in sold)}"
        for course, sold in live.items()
        if len(sold) > course.seats or len({view.student for view in sold}) < len(sold)
    ]


def _view_faults(view: View, paid: Sequence[ProviderPayment]) -> Iterator[str]:
    yield from _status_faults(view)
    yield from _cancel_faults(view, paid)
    yield from _money_faults(view, paid)


def _status_faults(view: View) -> Iterator[str]:
    ended = {view.product.live} | ENDS
    if view.final not in ended:
        yield f"has not ended: {view.final or 'no answer'}"
    history = [status for status in (*view.statuses, view.final) if status in ended]
    ends = [status for number, status in enumerate(history) if history[:number][-1:] != [status]]
    if len(ends) > 1 and not (ends == [view.product.live, "CANCELLED"] and view.cancels):
        yield f"its clients were told {' then '.join(ends)}"


def _cancel_faults(view: View, paid: Sequence[ProviderPayment]) -> Iterator[str]:
    if not view.refunds:
        return
    if view.final != "CANCELLED":
        yield f"a cancel was accepted and it is {view.final}"
    if len(set(view.refunds)) > 1:
        yield f"its cancels were told different refunds: {view.refunds}"
    returned, promised = sum(money.returned for money in paid), max(view.refunds)
    if promised and returned != promised:
        yield f"a refund of {promised} was promised, {returned} went back"


def _money_faults(view: View, paid: Sequence[ProviderPayment]) -> Iterator[str]:
    if view.paid and not paid:
        yield "its client paid and the provider knows of no payment"
    if view.final == view.product.live:
        kept = [money.received - money.returned for money in paid if money.received > money.returned]
        if kept != ([view.order.price] if view.order.price else []):
            yield f"is {view.final} and was not paid once, exactly: {list(paid)}"
    elif not view.cancels:
        yield from (f"is {view.final} and {money} is not back" for money in paid if money.received != money.returned)
