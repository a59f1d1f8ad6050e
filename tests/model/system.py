"""Two replicas of payment_svc (its own code, composed by its own composition root) over the model's ports.

What is replaced of the engine is only where it hands a drive to the event loop and waits for one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid5

import pytest
import stamina

from mesh import calls
from mesh.errors import CallFailed, Refusal
from payment_svc.__main__ import App, compose
from payment_svc.domain import ENROLL, NAMESPACE, CourseOrder, LessonOrder, NeedsAPerson, NotYet, Saga
from payment_svc.engine import engine, run
from payment_svc.peers import Peers
from payment_svc.selling import holding
from payment_svc.settings import Settings
from payment_svc.settling import reconcile
from payment_svc.store import Stores
from tests.model.cancellations import Cancellations
from tests.model.clockwork import Clockwork
from tests.model.course import COURSE, Learning
from tests.model.participants import Availability, Bookings, Sessions
from tests.model.provider import Provider
from tests.model.rows import Rows
from tests.model.state import EPOCH, LESSON
from tests.model.tables import Events, Payments, RefundRows

LEASE = 4.0
MAX_ATTEMPTS = 2
TUTOR = uuid5(NAMESPACE, "the tutor")


@dataclass
class Replica:
    """One payment_svc."""

    number: int
    app: App
    sagas: Rows
    events: Events


class System(Clockwork):
    """The mesh. Its State can be exchanged at any moment; nothing else remembers anything."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = Provider(self)
        self.replicas = [self._replica(number) for number in (0, 1)]

    def _replica(self, number: int) -> Replica:
        sagas = Rows(self, f"replica {number}", LEASE)
        events, payments, refunds = Events(self, sagas), Payments(self, sagas), RefundRows(self, sagas)
        cancellations = Cancellations(self, sagas)
        cancellations.refunds = refunds
        stores: Any = Stores(
            *cast(Any, (sagas, cancellations, payments, refunds, events, sagas, None, sagas, None, None))
        )
        peers: Any = Peers(*cast(Any, (Availability(self), Bookings(self), Sessions(self), Learning(self))))
        settings = Settings(
            _env_file=None,
            database_url="postgresql+asyncpg://nobody@127.0.0.1/none",
            stripe_secret_key="sk_test_model",
            stripe_webhook_secret="whsec_model",
            auth_issuer="model",
            auth_audience="model",
            auth_jwks_url="file:///none",
            saga_lease_seconds=LEASE,
            payment_max_attempts=MAX_ATTEMPTS,
        )
        provider = cast(Any, self.provider)
        app = compose(settings, stores, provider, (provider,), peers)
        sell = app.purchases
        ordering = replace(sell.lessons.ordering, new_id=self._new_id)
        purchases = replace(
            sell,
            lessons=replace(sell.lessons, ordering=ordering),
            courses=replace(sell.courses, ordering=ordering),
            cancel_lessons=replace(sell.cancel_lessons, new_id=self._new_id),
            cancel_courses=replace(sell.cancel_courses, new_id=self._new_id),
        )
        app = replace(app, purchases=purchases)
        sagas.engine = app.engine
        Driving(self, number, app.engine).take_over()
        return Replica(number, app, sagas, events)

    def _new_id(self) -> UUID:
        """Ids from the number of sagas there are: the same in every order of events that makes as many."""
        return cast(UUID, self.inside(self._next_id))

    def _next_id(self) -> UUID:
        self.state.ids += 1
        return uuid5(NAMESPACE, f"id {self.state.ids}")

    # Beginnings.

    def book(self, student: UUID, replica: int = 0, key: str = "") -> int:
        """A student asks for the lesson."""
        order = LessonOrder(student, TUTOR, LESSON, 60, None, "", key)
        purchasing = self.replicas[replica].app.purchases.lessons
        return self.spawn("book", partial(purchasing.book, order), (student, key), student, replica)

    def enroll(self, student: UUID, replica: int = 0, key: str = "") -> int:
        """A student asks for a place in the course."""
        enrolling = self.replicas[replica].app.purchases.courses
        enroll = partial(enrolling.enroll, CourseOrder(student, COURSE, key))
        return self.spawn("enroll", enroll, (student, key), student, replica)

    def cancel(self, saga: Saga, who: UUID | None, replica: int = 1) -> int:
        """The student, the tutor, or (None) the platform cancels."""
        app = self.replicas[replica].app
        cancelling = app.purchases.cancel_courses if saga.kind == ENROLL else app.purchases.cancel_lessons

        async def cancel() -> Any:
            person = calls.Person(who, frozenset(), "") if who else None
            calls.enter(calls.Call("model", person=person))
            return await cancelling.cancel(saga.sold_id, "", "")

        return self.spawn("cancel", cancel, (saga.sold_id, who), saga.id, replica)

    def deliver(self, event_id: str, replica: int = 1) -> int:
        """An event arrives at the webhook door; it may arrive again."""
        event = self.state.on_their_way.pop(event_id, None) or self.state.delivered[event_id]
        self.state.delivered[event_id] = event
        receive = self.replicas[replica].app.webhooks.receive
        return self.spawn("webhook", partial(receive, cast(Any, event), ""), event_id, event_id, replica)

    def reconcile(self, replica: int = 1) -> int:
        return self.spawn("reconcile", self.replicas[replica].app.reconcile.run_everything, "", "", replica)

    def recover(self, saga: Saga, replica: int) -> None:
        """What recover_once does about one due saga."""
        claimed = self.replicas[replica].sagas.claim_due_now(saga.id, saga.fence)
        assert claimed is not None
        drive = partial(self.replicas[replica].app.engine.runner.run, claimed)
        self.spawn("run", drive, claimed, saga.id, replica)

    def look_into_inbox(self, event_id: str, replica: int) -> None:
        """What the inbox does about one due event."""
        claimed = self.replicas[replica].events.claim_now(event_id)
        handle = self.replicas[replica].app.inbox._handle
        self.spawn("inbox", partial(handle, claimed), claimed, event_id, replica)

    # What there is.

    def drives(self, saga_id: UUID) -> list[Any]:
        return [a for a in self.state.actors.values() if a.kind == "run" and a.subject == saga_id and not a.done]

    def due_sagas(self) -> list[Saga]:
        rows = self.state.sagas.values()
        return [row for row in rows if row.wake_at is not None and row.wake_at <= self.state.now]

    def due_events(self) -> list[str]:
        events = self.state.events.values()
        return [event.id for event in events if event.wake_at is not None and event.wake_at <= self.state.now]

    def next_wake(self) -> datetime | None:
        """The next moment at which something wakes by itself."""
        rows = [*self.state.sagas.values(), *self.state.events.values()]
        return min((row.wake_at for row in rows if row.wake_at is not None), default=None)


class Driving:
    """Where the engine meets its event loop."""

    def __init__(self, system: System, replica: int, of: engine.Engine) -> None:
        self._system, self._replica, self._engine = system, replica, of

    def take_over(self) -> None:
        of = cast(Any, self._engine)
        of.start, of._runs, of._join, of._pause = self.start, self, self.join, self.pause
        of.runner.handle_failure = self.handle_failure

    def handle_failure(self, saga: Saga, error: Exception) -> Any:
        """The engine backs off whatever happens; the model is told of what must not happen."""
        if not isinstance(error, Refusal | CallFailed | NotYet | NeedsAPerson):
            raise AssertionError("a phase crashed") from error
        return run.back_off_or_park(saga, error)

    def start(self, saga: Saga) -> int:
        drive = partial(self._engine.runner.run, saga)
        return cast(int, self._system.inside(lambda: self._system.spawn("run", drive, saga, saga.id, self._replica)))

    def __len__(self) -> int:
        """A process of the model is never full."""
        return 0

    def get(self, saga_id: UUID) -> int | None:
        """This process's drive of a saga."""
        return cast(int | None, self._system.inside(lambda: self._drive(saga_id)))

    def _drive(self, saga_id: UUID) -> int | None:
        drives = [drive for drive in self._system.drives(saga_id) if drive.replica == self._replica]
        return drives[-1].id if drives else None

    async def join(self, drive: int) -> Saga:
        def result() -> Saga:
            heard = self._system.state.actors[drive].result
            if heard.error is not None:
                raise heard.error
            return cast(Saga, heard.value)

        def is_done() -> bool:
            return bool(self._system.state.actors[drive].done)

        return cast(Saga, await self._system.call("join", result, None, is_done))

    async def pause(self, seconds: float) -> None:
        """Polling, without its idle rounds: until the sagas are not as they were, or time has passed."""
        seen = self._system.inside(self._look)
        await self._system.call("pause", lambda: None, None, lambda: self._look() != seen)

    def _look(self) -> tuple[Any, ...]:
        return (self._system.state.now, *self._system.state.sagas.values())


class _Clock:
    """Stands for the time module: the model's clock."""

    def __init__(self, system: System) -> None:
        self._system = system

    def monotonic(self) -> float:
        return (self._system.state.now - EPOCH).total_seconds()

    time = monotonic


class _Loop:
    """Stands for asyncio in the engine: a moment's pause is one more place where anybody may act."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def sleep(self, seconds: float) -> None:
        await self._system.call("wait a moment", lambda: None)


async def one_by_one(questions: Any) -> list[Any]:
    """Stands for a few at once, in one of their orders."""
    return [await question for question in questions]


class _Silent:
    """A logger that says nothing, at no cost."""

    def say(self, event: str, **facts: Any) -> None:
        pass

    info = warning = error = say


LOUD = (
    "settling.late_payments selling.ordering settling.inbox settling.reconcile settling.webhooks engine.engine engine.run"
    " providers.intents providers.refunds"
).split()


@contextlib.contextmanager
def running() -> Iterator[System]:
    """A system by itself: its own clock, no tries within a call (every try is durable), no jitter, no logs."""
    system = System()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "time", _Clock(system))
        patch.setattr(run, "asyncio", _Loop(system))
        patch.setattr(reconcile, "run_few_at_once", one_by_one)
        patch.setattr(run, "back_off_seconds", lambda attempt, since: 1.0 if since <= 600 else 300.0)
        patch.setattr("payment_svc.settling.inbox.back_off_seconds", lambda attempt: 1.0)
        for module in LOUD:
            patch.setattr(f"payment_svc.{module}.log", _Silent)
        was_active = stamina.is_active()
        stamina.set_active(False)
        try:
            yield system
        finally:
            stamina.set_active(was_active)
            system.close()
