"""Coming to rest, in stages, each of which ends with the invariants.

| stage | what happens |
|---|---|
| 1 | whoever was at work has died, and no event arrives |
| 2 | reconcile asks |
| 3 | the dead were only stalled, and go on |
| 4 | reconcile asks again, for what they may have left at the provider |
| 5 | every event arrives after all |
"""

from __future__ import annotations

from dataclasses import replace

from tests.model.invariants import check_always, check_at_rest
from tests.model.state import State
from tests.model.system import System

MOST_STEPS = 2000
#: What stays so while the world comes to rest.
LASTING = ("price", "amount refused", "refunds refused")
STRAYS_STAGE, LAST_STAGE = 3, 5


def begin_to_rest(system: System) -> None:
    """From here on nothing new happens and no answer is lost."""
    state = system.state
    state.stage, state.refund_status = 1, "succeeded"
    state.budget = {name: left for name, left in state.budget.items() if name in LASTING}
    for actor in list(state.actors.values()):
        if not actor.done:
            state.actors[actor.id] = replace(actor, stalled=True)
    for refund_id, (_, refund) in list(state.provider_refunds.items()):
        if refund.status == "pending":
            system.provider.settle_refund(refund_id, "succeeded")


def rest_a_little(system: System) -> bool:
    """One step towards rest, always the same one; False when there is none left to take."""
    if _one_step(system):
        check_always(system.state)
        return True
    state = system.state
    # A refund that fails after it had succeeded is learned from its event alone: nobody asks again about a done one.
    if state.stage != STRAYS_STAGE and not _a_failure_is_unheard(system) and not _a_refund_by_hand_is_unheard(state):
        check_at_rest(state)
    if state.stage > LAST_STAGE or (state.stage == LAST_STAGE and not state.on_their_way):
        return False
    state.stage = min(state.stage + 1, LAST_STAGE)
    if state.stage in (2, 4):
        system.reconcile()
    elif state.stage == STRAYS_STAGE:
        for actor in list(state.actors.values()):
            state.actors[actor.id] = replace(actor, stalled=False)
    else:
        for event in sorted(state.on_their_way):
            system.deliver(event)
    return True


def _a_failure_is_unheard(system: System) -> bool:
    """True while a refund's failure is on its way, or with a webhook that has stalled."""
    hearing = (a.subject for a in system.state.actors.values() if a.kind == "webhook" and not a.done)
    return any(str(event).startswith("evt_refund.failed") for event in (*system.state.on_their_way, *hearing))


def _a_refund_by_hand_is_unheard(state: State) -> bool:
    """True while somebody has refunded at the provider, and neither its event nor reconcile has told us."""
    known = {refund.provider_refund_id for refund in state.refunds.values()}
    return state.stage == 1 and any(told.id not in known for _, told in state.provider_refunds.values())


def _one_step(system: System) -> bool:
    """Whoever can goes on until nobody can; then what is due begins, or time passes until something is."""
    if _all_go_on(system):
        return True
    for event in system.due_events():
        system.look_into_inbox(event, 1)
        return True
    for saga in system.due_sagas():
        system.recover(saga, 1)
        return True
    wake = system.next_wake()
    if wake is not None:
        system.state.now = max(wake, system.state.now)
    return wake is not None


def _all_go_on(system: System) -> bool:
    for step in range(MOST_STEPS):
        able = (a for a in sorted(system.state.actors.values(), key=lambda a: a.id) if not a.stalled)
        actor = next((actor for actor in able if system.can_step(actor)), None)
        if actor is None:
            return step > 0
        system.step(actor.id)
        check_always(system.state)
    raise AssertionError("processes that never end")


def come_to_rest(system: System) -> None:
    """All the way; fails when it takes too long or ends wrong."""
    begin_to_rest(system)
    for _ in range(MOST_STEPS):
        if not rest_a_little(system):
            return
    raise AssertionError(f"does not come to rest: {system.state.sagas}")
