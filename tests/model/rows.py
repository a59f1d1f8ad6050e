"""payment_svc's tables in memory, with exactly the compare-and-sets of payment_svc/store/sagas.py and its neighbours.

Each call is one atomic statement or transaction. What a CHECK or a unique index refuses there is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from mesh.errors import TryAgain
from payment_svc.domain import (
    BOOK,
    ENDS,
    ENROLL,
    CourseOrder,
    Facts,
    KeyUsed,
    LessonOrder,
    OpenAlready,
    Order,
    Saga,
    State,
    Transition,
)
from payment_svc.engine.engine import Engine
from payment_svc.store.facts import decode_facts, decode_parked_from, encode_context
from tests.model.clockwork import Clockwork
from tests.model.state import EPOCH, EventRow, PaymentRow

T = TypeVar("T")


def lost() -> Exception:
    return TryAgain("the database is away")


class Rows:
    """The saga table, for one replica."""

    def __init__(self, clock: Clockwork, owner: str, lease_seconds: float) -> None:
        self._clock, self._owner, self._lease = clock, owner, timedelta(seconds=lease_seconds)
        self.engine: Engine | None = None

    def _do(self, name: str, effect: Callable[[], T]) -> Awaitable[T]:
        return self._clock.call(name, effect, lost)

    @property
    def _now(self) -> datetime:
        return self._clock.state.now

    def begin(
        self, order: Order, *, kind: str, version: int, ids: dict[str, UUID], digest: bytes, facts: Facts
    ) -> Awaitable[Saga]:
        return self._do("begin", lambda: self._begin(order, kind, version, ids, digest, facts))

    def _begin(self, order: Order, kind: str, version: int, ids: dict[str, UUID], digest: bytes, facts: Facts) -> Saga:
        state = self._clock.state
        if self._open_one(order) is not None:
            raise OpenAlready
        if order.key and (order.student_id, order.key) in state.keys:
            raise KeyUsed
        if order.key:
            state.keys[order.student_id, order.key] = (ids["id"], digest, self._now)
        return self.keep(self.new(order, kind, version, ids, digest, facts))

    def new(self, order: Order, kind: str, version: int, ids: dict[str, UUID], digest: bytes, facts: Facts) -> Saga:
        """A row as `begin` makes it."""
        lease = self._now + self._lease
        return Saga(
            id=ids["id"], kind=kind, version=version, state=State.AWAITING_AVAILABILITY,
            student_id=order.student_id, **_thing(order),
            sold_id=ids["sold"], session_id=ids.get("session"), payment_id=ids["payment"], payment_intent_id=None,
            facts=facts, fence=1, signals=0, attempt=0, error=None, is_complete=False, request_hash=digest,
            lease_owner=self._owner, lease_until=lease, wake_at=lease, hold_ends=None, state_since=self._now,
            created_at=self._now, updated_at=EPOCH, loaded_at=EPOCH,
        )  # fmt: skip

    def keep(self, row: Saga) -> Saga:
        """Write a row, if its constraints hold; the row as it is read."""
        sleeps = row.wake_at is not None
        assert sleeps != (row.is_complete or row.state is State.PARKED), f"saga_never_forgotten: {row}"
        assert row.state is not State.PARKED or row.error, "saga_never_forgotten"
        assert row.is_complete == (row.state in ENDS), "saga_complete_in_end_states"
        waits = row.state is State.AWAITING_PAYMENT
        assert not waits or (row.payment_intent_id and row.hold_ends), "saga_awaits_an_intent"
        self._clock.state.sagas[row.id] = replace(row, loaded_at=EPOCH, hold_ends_monotonic=None)
        return self._read(row)

    def _read(self, row: Saga) -> Saga:
        return replace(row, loaded_at=self._now, hold_ends_monotonic=None)

    def commit(self, transition: Transition) -> Awaitable[Saga | None]:
        return self._do("commit", lambda: self._commit_and_go_on(transition))

    def _commit_and_go_on(self, transition: Transition) -> Saga | None:
        moved = self.commit_now(transition)
        actor = self._clock.current
        if moved is not None and moved.lease_owner and actor is not None and actor.kind == "run":
            assert self.engine is not None
            self._clock.checkpoint(partial(self.engine.runner.run, moved), moved)
        return moved

    def commit_now(self, transition: Transition) -> Saga | None:
        state, row = self._clock.state, self._clock.state.sagas[transition.saga.id]
        if row.is_complete or (row.fence, row.signals) != (transition.saga.fence, transition.saga.signals):
            return None
        left = transition.saga.hold_ends_monotonic
        hold_ends = row.hold_ends or (EPOCH + timedelta(seconds=left) if left is not None else None)
        context = json.loads(encode_context(transition.saga))
        row = replace(
            row, fence=row.fence + int(transition.takes_over), state=transition.state, is_complete=transition.state in ENDS,
            facts=decode_facts(row.kind, context), parked_from=decode_parked_from(context),
            payment_intent_id=transition.saga.payment_intent_id or row.payment_intent_id,
            tutor_id=row.tutor_id or transition.saga.tutor_id,
            attempt=row.attempt + 1 if transition.has_failed else 0, error=transition.error, hold_ends=hold_ends,
            state_since=row.state_since if row.state is transition.state else self._now,
            lease_owner=self._owner if transition.keep_lease else None,
            lease_until=self._now + self._lease if transition.keep_lease else None,
            wake_at=self._wake_at(transition, hold_ends),
        )  # fmt: skip
        for event in [event for event in state.events.values() if event.status == "NEWS" and event.saga_id == row.id]:
            state.events[event.id] = event._replace(status="DONE")
        if transition.payment is not None:
            self._pay(row, transition)
        if transition.state is State.REJECTED:
            for key in [key for key, (saga_id, _, _) in state.keys.items() if saga_id == row.id]:
                del state.keys[key]
        return self.keep(row)

    def _wake_at(self, transition: Transition, hold_ends: datetime | None) -> datetime | None:
        if transition.keep_lease:
            return self._now + self._lease
        if transition.await_payment:
            return hold_ends
        if transition.retry_in is None:
            return None
        wake = self._now + timedelta(seconds=transition.retry_in)
        awaits = transition.state is State.AWAITING_PAYMENT and hold_ends is not None and hold_ends > self._now
        return min(wake, hold_ends) if awaits and hold_ends is not None else wake

    def _pay(self, row: Saga, transition: Transition) -> None:
        price, state = transition.saga.price, self._clock.state
        assert price is not None and row.payment_intent_id is not None and price.amount_minor > 0, "payment_amounts"
        assert transition.payment is not None
        received = transition.received.amount_minor if transition.received else 0
        assert (transition.payment == "SUCCEEDED") == (received > 0), "payment_received_when_succeeded"
        known = state.payments.get(row.payment_id)
        if known is None:
            known = PaymentRow(row.payment_id, row.id, price.amount_minor, price.currency, "", row.payment_intent_id, 0)
        if known.status != "SUCCEEDED":
            state.payments[row.payment_id] = known._replace(status=transition.payment.value, received_minor=received)

    def claim_due(self, saga_id: UUID, fence: int) -> Awaitable[Saga | None]:
        return self._do("claim_due", lambda: self.claim_due_now(saga_id, fence))

    def claim_due_now(self, saga_id: UUID, fence: int) -> Saga | None:
        row = self._clock.state.sagas[saga_id]
        is_due = row.wake_at is not None and row.wake_at <= self._now
        return self._claimed(row, fence) if is_due else None

    def claim_free(self, saga: Saga) -> Awaitable[Saga | None]:
        def claim() -> Saga | None:
            row = self._clock.state.sagas[saga.id]
            return self._claimed(row, saga.fence) if row.lease_until is None or row.lease_until <= self._now else None

        return self._do("claim_free", claim)

    def _claimed(self, row: Saga, fence: int) -> Saga | None:
        if row.fence != fence or row.is_complete or row.state is State.PARKED:
            return None
        lease = self._now + self._lease
        return self.keep(replace(row, fence=fence + 1, lease_owner=self._owner, lease_until=lease, wake_at=lease))

    def get(self, saga_id: UUID) -> Awaitable[Saga | None]:
        return self._do("get", lambda: self._got(saga_id))

    def _got(self, saga_id: UUID) -> Saga | None:
        row = self._clock.state.sagas.get(saga_id)
        return self._read(row) if row is not None else None

    def by_sold(self, sold_id: UUID) -> Awaitable[Saga | None]:
        def first() -> Saga | None:
            rows = [row for row in self._clock.state.sagas.values() if row.sold_id == sold_id]
            return self._read(min(rows, key=lambda row: (row.created_at, row.kind))) if rows else None

        return self._do("by_sold", first)

    def saga_of(self, student_id: UUID, key: str) -> Awaitable[tuple[Saga, bytes, bool] | None]:
        def found() -> tuple[Saga, bytes, bool] | None:
            kept = self._clock.state.keys.get((student_id, key))
            if kept is None:
                return None
            saga_id, digest, at = kept
            return self._read(self._clock.state.sagas[saga_id]), digest, at < self._now - timedelta(hours=24)

        return self._do("saga_of", found)

    def by_intent(self, intent_id: str, named: UUID | None) -> Awaitable[Saga | None]:
        def found() -> Saga | None:
            rows = self._clock.state.sagas
            own = next((row for row in rows.values() if row.payment_intent_id == intent_id), None)
            row = own or (rows.get(named) if named else None)
            return self._read(row) if row is not None else None

        return self._do("by_intent", found)

    def completed_with(self, intent_ids: list[str]) -> Awaitable[set[str]]:
        def found() -> set[str]:
            done = (row for row in self._clock.state.sagas.values() if row.state is State.COMPLETED)
            return {row.payment_intent_id for row in done if row.payment_intent_id in intent_ids}

        return self._do("completed_with", found)

    def open_for(self, order: Order) -> Awaitable[Saga | None]:
        def found() -> Saga | None:
            row = self._open_one(order)
            return self._read(row) if row is not None else None

        return self._do("open_for", found)

    def _open_one(self, order: Order) -> Saga | None:
        """What `saga_open_slot` and `saga_open_course` let be there once."""
        rows = [row for row in self._clock.state.sagas.values() if not row.is_complete]
        mine = (row for row in rows if row.student_id == order.student_id)
        if isinstance(order, CourseOrder):
            return next((row for row in mine if (row.kind, row.course_id) == (ENROLL, order.course_id)), None)
        wanted = (BOOK, order.tutor_id, order.start)
        return next((row for row in mine if (row.kind, row.tutor_id, row.time_slot) == wanted), None)

    def signal(self, saga_id: UUID) -> Awaitable[bool]:
        return self._do("signal", lambda: self.signal_now(saga_id))

    def signal_now(self, saga_id: UUID) -> bool:
        row = self._clock.state.sagas[saga_id]
        if row.is_complete or row.state is State.PARKED:
            return False
        self.count_signal(row)
        return True

    def count_signal(self, row: Saga) -> None:
        """A signal. A sleeping saga wakes, a parked one sleeps on."""
        is_driven = row.lease_until is not None and row.lease_until > self._now
        keeps = is_driven or row.state is State.PARKED
        self.keep(replace(row, signals=row.signals + 1, wake_at=row.wake_at if keeps else self._now))

    def wake_backing_off(self, after: UUID | None, most: int) -> Awaitable[list[UUID]]:
        def woken() -> list[UUID]:
            rows = sorted(self._clock.state.sagas.values(), key=lambda row: row.id)
            sleeping = [r for r in rows if r.wake_at and r.wake_at > self._now and not r.lease_until and r.attempt]
            page = [row for row in sleeping if after is None or row.id > after][:most]
            for row in page:
                self.keep(replace(row, wake_at=self._now))
            return [row.id for row in page]

        return self._do("wake_backing_off", woken)

    def unpark(self, saga_id: UUID) -> Awaitable[bool]:
        def go_on() -> bool:
            row = self._clock.state.sagas[saga_id]
            if row.state is not State.PARKED:
                return False
            before = row.parked_from
            assert before is not None
            fence, now = row.fence + 1, self._now
            self.keep(replace(row, state=before, state_since=now, attempt=0, fence=fence, wake_at=now))
            return True

        return self._do("unpark", go_on)

    def waiting(self, older_than: float, after: UUID | None, most: int) -> Awaitable[Sequence[Saga]]:
        def page() -> list[Saga]:
            since = self._now - timedelta(seconds=older_than)
            rows = sorted(self._clock.state.sagas.values(), key=lambda row: row.id)
            waiting = [r for r in rows if r.state is State.AWAITING_PAYMENT and r.state_since <= since]
            return [self._read(row) for row in waiting if after is None or row.id > after][:most]

        return self._do("waiting", page)


def _thing(order: Order) -> dict[str, Any]:
    """The columns that say what is wanted."""
    if isinstance(order, LessonOrder):
        return {"tutor_id": order.tutor_id, "time_slot": order.start, "minutes": order.minutes}
    return {"tutor_id": None, "time_slot": None, "minutes": None, "course_id": order.course_id}


def event_row(saga: Saga, event_id: str, intent_id: str, status: str, now: datetime) -> EventRow:
    return EventRow(event_id, saga.id, intent_id, status, 0, now if status == "INBOX" else None)
