"""What may happen next: every process's next call, and what people, time and the provider do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid5

from payment_svc.domain import ENROLL, NAMESPACE, Saga
from payment_svc.domain import State as SagaState
from tests.model.course import seat_gives_way, to_a_rival
from tests.model.invariants import check_always, given, purchases
from tests.model.participants import HOLD, LESSON_ENDS
from tests.model.provider import PAYABLE
from tests.model.state import GRACE, LESSON, Held, State
from tests.model.system import TUTOR, System

Choice = tuple[str, ...]
STUDENT = uuid5(NAMESPACE, "a student")
RIVAL = "a lesson of somebody else's"
CREATED = "evt_payment_intent.created"
MOST_DRIVES = 3


def choices(system: System) -> list[Choice]:
    """Everything that may happen now, in a fixed order."""
    return [*_of_processes(system), *_of_the_world(system), *_of_time(system)]


def _of_processes(system: System) -> Iterator[Choice]:
    for actor in sorted(system.state.actors.values(), key=lambda actor: actor.id):
        if system.can_step(actor):
            yield ("step", str(actor.id), "")
            request = system.pending(actor)
            if request is not None and request.lost is not None and system.state.may("lost"):
                yield ("step", str(actor.id), "answer lost")
                yield ("step", str(actor.id), "request lost")
    for saga in system.due_sagas():
        replica = _free_replica(system, saga)
        if replica is not None and len(system.drives(saga.id)) < MOST_DRIVES:
            yield ("recover", str(saga.id), str(replica))
    for event in system.due_events():
        yield ("inbox", event)


def _free_replica(system: System, saga: Saga) -> int | None:
    """A replica that does not drive this saga already: it would not take it twice."""
    busy = {drive.replica for drive in system.drives(saga.id)}
    return next((number for number in (1, 0) if number not in busy), None)


def _of_the_world(system: System) -> Iterator[Choice]:
    state = system.state
    for kept in list(state.intents.values()):
        if kept.intent.status == PAYABLE:
            yield from ((what, kept.intent.id) for what in ("pay", "decline", "change amount") if state.may(what))
    for event in sorted(state.on_their_way):
        if CREATED not in event or state.may("created events"):  # they say what everybody knows, but for strays
            yield ("deliver", event)
    if state.may("duplicate"):
        yield from (("duplicate", event) for event in sorted(state.delivered))
    for what, is_open in (("pending", "pending"), ("succeeded", "succeeded")):
        if state.may(f"{what} refund fails"):
            told = state.provider_refunds.values()
            yield from (("refund fails", refund.id, what) for _, refund in told if refund.status == is_open)
    yield from _of_persons(state)
    if state.may("cancel"):
        yield from (("cancel", str(saga.id)) for saga in purchases(state) if saga.price is not None)
    if state.may("reconcile"):
        yield ("reconcile",)
    if state.may("rival") and all(_gives_way(system, saga) for saga in state.claims) and seat_gives_way(state):
        yield ("rival",)
    if state.may("takes place"):
        yield from (("takes place", name) for name, (_, status) in state.sessions.items() if status == "CONFIRMED")


def _of_persons(state: State) -> Iterator[Choice]:
    """What a cardholder does against a refund, and somebody about one that was given up."""
    if state.may("disputed"):
        yield ("disputed",)
    if state.may("refunds refused") and state.may("refunds allowed"):
        yield ("refunds allowed",)
    parked = [saga for saga in state.sagas.values() if saga.state is SagaState.PARKED]
    if state.may("retry"):
        yield from (("retry", str(saga.id)) for saga in parked)
    if state.may("refund by hand") and parked and not state.may("refunds refused"):
        intents = (kept.intent for kept in state.intents.values())
        yield from (("refund by hand", intent.id) for intent in intents if intent.received > given(state, intent.id))


def _gives_way(system: System, saga: str) -> bool:
    held = system.state.holds[saga]
    lapsed = held is not None and held.expires_at + GRACE <= system.state.now
    return system.state.claims[saga] == "HELD" and lapsed


def _of_time(system: System) -> Iterator[Choice]:
    wake, now = system.next_wake(), system.state.now
    if wake is not None and wake > now and system.state.may("tick"):
        yield ("tick",)
    yield from ((what,) for what in ("hold ends", "a day passes") if system.state.may(what))


def apply(system: System, choice: Choice) -> None:
    """Let it happen, and see that nothing is wrong then."""
    what, *about = choice
    _HAPPENINGS[what](system, *about)
    if what in system.state.budget:
        system.state.spend(what)
    check_always(system.state)


def _step(system: System, actor: str, fault: str) -> None:
    if fault:
        system.state.spend("lost")
    system.step(int(actor), fault)


def _recover(system: System, saga: str, replica: str) -> None:
    system.recover(system.state.sagas[UUID(saga)], int(replica))


def _cancel(system: System, saga: str) -> None:
    """The person whose turn the scenario says it is; the tutor without one."""
    row = system.state.sagas[UUID(saga)]
    system.cancel(row, row.student_id if system.state.budget.get("by the student") else row.tutor_id)


def _tick(system: System) -> None:
    """Nothing happens until something wakes by itself: an owner has stalled past its lease, a pause is over."""
    wake = system.next_wake()
    assert wake is not None
    system.state.now = max(wake, system.state.now)


def _hold_ends(system: System) -> None:
    """The hold and its grace end while nobody acts."""
    system.state.now += HOLD + GRACE + timedelta(seconds=1)


def _a_day_passes(system: System) -> None:
    """Nobody acts; Stripe forgets its idempotency keys."""
    system.state.now += timedelta(hours=25)
    system.state.answers.clear()


def _rival(system: System) -> None:
    """Somebody else gets the time, whose claim has lapsed, or the seat."""
    if any(saga.kind == ENROLL for saga in purchases(system.state)):
        to_a_rival(system.state, uuid5(NAMESPACE, RIVAL))
        return
    system.state.claims.clear()
    system.state.holds[RIVAL] = Held(f"{TUTOR} {int(LESSON.timestamp())}", "", system.state.now, "CONFIRMED")
    system.state.claims[RIVAL] = "CONFIRMED"


def _refund_fails(system: System, refund: str, was: str) -> None:
    system.state.spend(f"{was} refund fails")
    system.provider.settle_refund(refund, "failed")


def _disputed(system: System) -> None:
    """A dispute is opened: from now on the provider refuses every refund for good."""
    system.state.budget["refunds refused"] = 1


def _refunds_allowed(system: System) -> None:
    """What the provider refused for good, it allows now: the dispute was won."""
    system.state.spend("refunds refused")


def _retry(system: System, saga: str) -> None:
    """A person has a parked saga go on."""
    system.spawn("retry", partial(system.replicas[0].sagas.unpark, UUID(saga)), saga, saga, 0)


def _refund_by_hand(system: System, intent: str) -> None:
    left = system.state.intents[intent].intent.received - given(system.state, intent)
    system.provider.refund_now(intent, left, "", "succeeded")


def _takes_place(system: System, session: str) -> None:
    """The lesson is over, and somebody completes it."""
    system.state.now = max(system.state.now, LESSON_ENDS)
    saga, _ = system.state.sessions[session]
    system.state.sessions[session] = (saga, "COMPLETED")


_HAPPENINGS = {
    "step": _step,
    "recover": _recover,
    "inbox": lambda system, event: system.look_into_inbox(event, 1),
    "pay": lambda system, intent: system.provider.pay(intent),
    "decline": lambda system, intent: system.provider.decline(intent),
    "change amount": lambda system, intent: system.provider.change_amount(intent),
    "deliver": lambda system, event: system.deliver(event),
    "duplicate": lambda system, event: system.deliver(event),
    "refund fails": _refund_fails,
    "disputed": _disputed,
    "refunds allowed": _refunds_allowed,
    "retry": _retry,
    "refund by hand": _refund_by_hand,
    "cancel": _cancel,
    "reconcile": lambda system: system.reconcile(),
    "rival": _rival,
    "takes place": _takes_place,
    "tick": _tick,
    "hold ends": _hold_ends,
    "a day passes": _a_day_passes,
}
