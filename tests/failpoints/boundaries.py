"""The failpoints: every call by which payment_svc's sagas leave their process, before and after it.

They need no code in the product and cost nothing there: its use cases are composed over ports (tables, Stripe, peers),
and a test puts a hook around each port. The catalogue is read off the ports themselves, so a new call is a new point.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from payment_svc.providers.callback import CallbackProvider
from payment_svc.providers.sessions import PaymentSessions
from payment_svc.providers.stripe import StripeProvider
from payment_svc.store import (
    CancellationStore,
    EventStore,
    KeyStore,
    OperatorStore,
    PaymentStore,
    RefundStore,
    SagaStore,
)

#: NotificationStore is on no saga's way: what it fails with is in tests/notifications.
PORTS = (
    SagaStore,
    CancellationStore,
    PaymentStore,
    RefundStore,
    EventStore,
    KeyStore,
    OperatorStore,
    CallbackProvider,
    PaymentSessions,
    StripeProvider,
)
#: The calls of the sagas' steps to other services.
LESSON_STEPS = (
    "HoldSlot",
    "CreateBooking",
    "ConfirmSlot",
    "CreateConfirmedSession",
    "ConfirmBooking",
    "EndBooking",
    "ReleaseSlot",
    "CancelSession",
)
SEAT_STEPS = ("HoldSeat", "CreateEnrollmentRecord", "EndEnrollment", "CancelEnrollment")
#: The calls about a refund that is given up.
REFUND_CALLS = ("RefundStore.refuse", "RefundStore.announce_failure", "CancellationStore.park_refund")
#: Calls no saga's way leads through, each with its reason.
ELSEWHERE = {
    "commit_in": "runs inside receive's transaction",
    "close": "the end of the process",
    "list_intents": "a list for the audit; reconcile's pages are read through it",
    "recent_intents": "reconcile's candidates, read only",
    "recent_events": "reconcile's candidates, read only",
    "list_intents_of_events": "a list for the audit",
    "list_of": "the audit's read",
    "list": "an operator's list",
    "show": "an operator's list",
    "events": "an operator's list",
    "with_refunds": "an operator's read",
    "find_intent_of_charge": "an operator's read",
    "history": "a person's list",
    "of_tutor": "a tutor's list",
    "get_many": "a batch of reads",
    "timelines": "a batch of reads",
    "list_all": "the audit's list",
    "unknown": "reconcile's candidates, read only",
    "stored_types": "of a metric of reconcile's, read only",
    "waiting": "reconcile's candidates, read only",
    "completed_with": "reconcile's candidates, read only",
    "pending": "reconcile's candidates, read only",
    "wake_backing_off": "the reconcile command",
    "unpark": "an operator's verb, tested in test_operators",
    "resolve": "an operator's verb, tested in test_operators",
    "renew": "runs beside a drive, not in it",
    "back_off": "follows a failure of the inbox",
    "park": "follows a failure of the inbox",
    "due": "candidates, read only",
    "park_dispute": "one insert beside the sagas, tested in test_cancelling_a_booking",
    "record_late": "only for an intent that was cancelled and paid all the same, which no provider should do",
    "may_look": "on the way of a student's question, which changes no saga by itself; tested in test_refreshing",
    "end_look": "the same: what the provider said to that question",
    "signal": "only hurries an open cancel that would wake by itself",
    "forget": "a key of yesterday's, tested in test_ordering",
    "forget_old": "housekeeping",
    "withdraw": "follows a refusal of the provider's, tested in test_double_faults",
}

#: Calls that change nothing anywhere. A fault at one is a fault between its neighbours: they are visited, and struck
#: only with FULL=1.
READS = frozenset(
    "get by_sold by_intent saga_of open_for of_sold of_intent peek retrieve_intent find_intent find_refund list_refunds"
    " list_disputes list_declined_charges".split()
)

Point = tuple[str, int]  # "before SagaStore.commit", the how-manieth of a flow


def catalogue() -> set[str]:
    """The name of every failpoint there is."""
    return _around(PORTS, (*LESSON_STEPS, *SEAT_STEPS))


def lesson_points() -> set[str]:
    """Those on the ways of lessons that Stripe is paid for; the others are on the ways of seats, callbacks and refunds."""
    return (
        _around((port for port in PORTS if port not in (CallbackProvider, PaymentSessions)), LESSON_STEPS)
        - refund_points()
    )


def refund_points() -> set[str]:
    """Those on the ways of refunds that are given up alone."""
    return {f"{when} {call}" for call in REFUND_CALLS for when in ("before", "after")}


def _around(ports: Iterable[type], steps: Iterable[str]) -> set[str]:
    calls = {
        f"{port.__name__}.{name}"
        for port in ports
        for name, found in inspect.getmembers(port, inspect.iscoroutinefunction)
        if not name.startswith("_") and name not in ELSEWHERE
    }
    return {f"{when} {call}" for call in calls | {f"peer.{step}" for step in steps} for when in ("before", "after")}


@dataclass
class Trail:
    """Counts the points one flow comes by, and meets each with a fault's `act`."""

    act: Callable[[Point], Awaitable[None]] | None = None
    seen: Counter[str] = field(default_factory=Counter)
    order: list[Point] = field(default_factory=list)

    async def at(self, name: str) -> None:
        self.seen[name] += 1
        point = (name, self.seen[name])
        self.order.append(point)
        if self.act is not None:
            await self.act(point)


class Watched:
    """A port whose awaited calls come by the trail's points."""

    def __init__(
        self, inner: Any, name: str, trail: Trail, due_of: Callable[[str], Awaitable[Any]] | None = None
    ) -> None:
        self._inner, self._name, self._trail, self._due_of = inner, name, trail, due_of

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "due" and self._due_of is not None:
            return lambda *_: self._due_of(self._name)  # only what is this case's, in tables shared with others
        is_peer = self._name == "peer"
        if name == "renew":
            return self._renewed(found)
        if not (inspect.iscoroutinefunction(found) or is_peer) or name in ELSEWHERE:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._trail.at(f"before {self._name}.{name}")
            answer = await found(*args, **kwargs)
            await self._trail.at(f"after {self._name}.{name}")
            return answer

        return call

    def _renewed(self, renew: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A process that stalls does not renew its lease either."""

        async def call(*args: Any) -> Any:
            if self._trail.act is not None:
                await self._trail.act(RENEWAL)
            return await renew(*args)

        return call


RENEWAL: Point = ("renewal", 0)


def struck(points: list[Point], fault: str, full: bool) -> list[Point]:
    """Those of a flow's points, in its order, at which this fault strikes.

    Who has come back from one call and not begun the next has touched nothing between: to be killed, stalled or cut off
    there is one case, not two. An exception is two: the code sees which call it came out of.
    """
    if full:
        return points
    writes = [point for point in points if point[0].rpartition(".")[2] not in READS]
    if fault == "exception":
        return writes
    begun = {here for last, here in pairwise(points) if last in writes and last[0].startswith("after ")}
    return [point for point in writes if not (point in begun and point[0].startswith("before "))]
