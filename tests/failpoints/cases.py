"""One case: a flow of stimuli, a fault at one point of it, and somebody who takes over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from stripe import WebhookSignature

from mesh import calls
from mesh.calls import Call, Person
from payment_svc.__main__ import compose
from payment_svc.domain import LessonOrder, Saga
from payment_svc.peers import Peers
from payment_svc.providers.callback import CallbackProvider
from payment_svc.store import Stores
from payment_svc.store.events import InboxEvent
from tests.failpoints.actors import LEASE_SECONDS, ROUTES, Actor, Outside, with_version
from tests.failpoints.boundaries import RENEWAL, Point, Trail, Watched
from tests.people import People, lesson_time
from tests.world import WEBHOOK_SECRET

PATIENCE = 20.0


class Interrupted(Exception):
    """What the exception fault throws into the code."""


@dataclass
class Case:
    """The people and ids of one case."""

    people: People
    outside: Outside
    student: UUID
    tutor: UUID
    saga_id: str = ""
    intent: str = ""
    booking: str = ""
    course: str = ""
    actors: list[Actor] = field(default_factory=list)

    def order(self) -> LessonOrder:
        return LessonOrder(self.student, self.tutor, lesson_time(), 60, None, "", "key")

    def knows(self, saga: Saga) -> None:
        self.saga_id, self.booking = str(saga.id), str(saga.sold_id)
        self.intent = saga.payment_intent_id or ""

    async def told(self) -> str:
        """What people are to be told about it, in order."""
        ask = "select type from notification where subject_id = $1 order by seq"
        return " ".join(row["type"] for row in await self.people.world.sql("payment", ask, UUID(self.booking)))

    async def due(self, port: str) -> list[Any]:
        """What is due of this case's own, for its actors' loops."""
        if port == "EventStore":
            ask = """select e.id, e.saga_id, e.payment_intent_id, e.attempt from stripe_event e
                     join saga s on s.id = e.saga_id where s.student_id = $1 and e.wake_at <= clock_timestamp()"""
            return [InboxEvent(*row) for row in await self.people.world.sql("payment", ask, self.student)]
        ask = (
            "select id, fence, lease_owner is not null from saga where student_id = $1 and wake_at <= clock_timestamp()"
        )
        return [tuple(row) for row in await self.people.world.sql("payment", ask, self.student)]

    async def actor(self, name: str, trail: Trail, *, version: int = 1) -> Actor:
        """A replica of its own for this case; `version` adds a definition that new sagas use."""
        settings, stripe, peers = self.outside.settings, self.outside.stripe, self.outside.peers
        seat = self.outside.seats.take()
        stores = Stores.of(seat.database, name, LEASE_SECONDS, ROUTES)
        tables = [getattr(stores, port) for port in stores.__slots__]
        watched = Stores(*(Watched(table, type(table).__name__, trail, self.due) for table in tables))
        stubs = Peers(*(Watched(getattr(peers, port), "peer", trail) for port in peers.__slots__))
        watched_stripe: Any = Watched(stripe, "StripeProvider", trail)
        sessions: Any = Watched(self.outside.sessions, "PaymentSessions", trail)
        callback: Any = Watched(CallbackProvider(seat.database, sessions), "CallbackProvider", trail)
        app = compose(settings, watched, watched_stripe, (watched_stripe, callback), stubs)
        if version > 1:
            app = with_version(app, version)
        self.actors.append(Actor(app, seat, self.outside.seats))
        return self.actors[-1]

    async def end(self) -> None:
        """Nobody of the case is left, however it went: a connection that nobody closes is told as a failure of others."""
        for actor in self.actors:
            await actor.die()

    def as_student(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self._acting(Person(self.student, frozenset({"student"}), ""))

    def as_service(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Who may choose a payment engine."""
        return self._acting(Person(uuid4(), frozenset({"service"}), ""))

    @contextlib.asynccontextmanager
    async def _acting(self, person: Person) -> AsyncIterator[None]:
        deadline = asyncio.get_running_loop().time() + 5
        token = calls._current.set(Call("case", deadline, person, "bff"))
        try:
            yield
        finally:
            calls._current.reset(token)

    async def deliver(self, actor: Actor, kind: str) -> None:
        """Stripe brings an event to this actor's door."""
        event = await self.people.event(self.intent, kind)
        body = json.dumps(event)
        signature = WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        await actor.app.webhooks.receive(body.encode(), signature)


Stimulus = Callable[[Case, Actor], Awaitable[None]]


@dataclass(frozen=True)
class Flow:
    """What happens to a saga from outside, in order, each stimulus repeated until it is taken; and how it must end."""

    name: str
    stimuli: tuple[Stimulus, ...]
    fresh: int  # the stimulus from which it is a way of its own; what comes before is walked by another flow
    end: Callable[[Case], Awaitable[bool]]
    told: str  # what its people hear of it, each once and in order; `|` between where a race may end either way
    strikes: tuple[str, ...] = ("",)  # how the calls begin that are struck; the others are struck in another flow


async def persuade(case: Case, actor: Actor, stimulus: Stimulus) -> None:
    """Repeat a stimulus until it is taken: as clients and Stripe do."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with case.as_student():
                await asyncio.wait_for(stimulus(case, actor), 6)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            await actor.recover()
            await asyncio.sleep(0.05)


async def until_the_end(case: Case, flow: Flow, actor: Actor) -> None:
    """Drive on what wakes up until the flow has ended as it must."""
    deadline = time.monotonic() + PATIENCE
    while not await flow.end(case):
        assert time.monotonic() < deadline, f"{flow.name} does not end: {await case.people.saga_row(case.student)}"
        with contextlib.suppress(Exception):
            await actor.recover()
        await asyncio.sleep(0.05)
    await actor.rest()
    assert (told := await case.told()) in flow.told.split("|"), f"{flow.name} tells: {told}"


async def points_of(flow: Flow, new_case: Callable[[], Awaitable[Case]]) -> list[Point]:
    """The points that an undisturbed run comes by."""
    case, trail = await new_case(), Trail()
    actor = await case.actor(f"calm-{uuid4().hex[:8]}", trail)
    shared = 0
    try:
        for number, stimulus in enumerate(flow.stimuli):
            if number == flow.fresh:
                await actor.rest()
                shared = len(trail.order)
            await persuade(case, actor, stimulus)
        await until_the_end(case, flow, actor)
    finally:
        await case.end()
    return [point for point in trail.order[shared:] if point[0].partition(" ")[2].startswith(flow.strikes)]


async def run(flow: Flow, case: Case, point: Point, fault: str, successor: str) -> set[str]:
    """One case; returns the names of the points it came by. Fails when the fault never struck, or when the flow does not
    end as it must."""
    trouble, calm = Trouble(fault, point), Trail()
    trail = Trail(trouble.act)
    name = f"replica-{uuid4().hex[:8]}"
    first = trouble.actor = await case.actor(name, trail)
    trouble.world = case.people.world

    async def take_over() -> Actor:
        if fault == "killed":
            await first.die()
        owner = name if successor == "the same process" else f"replica-{uuid4().hex[:8]}"
        return await case.actor(owner, calm, version=2 if successor == "another version" else 1)

    current = first
    for stimulus in flow.stimuli:
        taken = await taken_before(trouble, persuade(case, current, stimulus)) if current is first else False
        if current is first and trouble.hands_over(successor):
            current = await take_over()
        if not taken:
            await persuade(case, current, stimulus)
    if current is first:
        await taken_before(trouble, until_the_end(case, flow, first))
        current = await take_over() if trouble.hands_over(successor) else first
    await until_the_end(case, flow, current)
    trouble.let_go()  # whoever stalled goes on now, and changes nothing
    if current is not first and fault != "killed":
        await first.rest()
        await until_the_end(case, flow, current)
        await first.die()
    await current.die()
    assert trouble.struck, f"{fault} at {point} never struck"
    return set(trail.seen) | set(calm.seen)


async def taken_before(trouble: Trouble, work: Coroutine[Any, Any, None]) -> bool:
    """True when the work was done before trouble stopped its actor."""
    doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(trouble.stopped.wait())
    await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return False


@dataclass
class Trouble:
    """A fault that strikes once, at its point."""

    fault: str
    point: Point
    actor: Actor | None = None
    world: Any = None

    def __post_init__(self) -> None:
        self._go = asyncio.Event()
        self.struck = False
        self.stopped = asyncio.Event()  # the first replica does nothing more, for a while or for ever

    def hands_over(self, successor: str) -> bool:
        """True when somebody else goes on from here."""
        return self.stopped.is_set() or (self.struck and successor != "the same process")

    async def act(self, point: Point) -> None:
        if self.struck or point != self.point:
            await self._held_up(point)
            return
        self.struck = True
        if self.fault == "exception":
            raise Interrupted
        if self.fault == "connection cut":
            await self._cut()
            return
        self.stopped.set()
        await self._go.wait()

    async def _held_up(self, point: Point) -> None:
        if self.fault == "killed" and self.struck:
            await asyncio.Event().wait()  # the dead do nothing more
        if point == RENEWAL and self.stopped.is_set():
            await self._go.wait()

    async def _cut(self) -> None:
        assert self.actor is not None
        ask = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1"
        self.actor.seat.is_cut = True
        await self.world.sql("payment", ask, self.actor.seat.name)

    def let_go(self) -> None:
        if self.fault != "killed":
            self._go.set()
