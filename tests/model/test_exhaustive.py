"""Every order of events in a small world, to a stated depth: one saga, two replicas, one calendar or one seat.

A choice is one call of one process (with its answer, or lost once), one delivery, one act of a person, one jump of the
clock. The table of the test says how many choices are walked from each start; FULL=1 walks one more where that is long.
Lessons open, await their payment, were paid late, or are sold. Refunds are refused, were given up, were paid, or have
failed twice. A place in a course goes the same ways by fewer calls.

Each start has its budget of events (below), so that takeovers, zombies, duplicates, lost answers, cancels, hold ends and
rivals meet inside every phase. From every state in which a table changed the world is brought to rest in stages, and the
invariants are checked after each (tests/model/rest.py).

The floors hold the search up: a model in which nothing can happen any more would pass without them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.model.life import STUDENT, apply, choices
from tests.model.participants import HOLD
from tests.model.search import search
from tests.model.state import GRACE
from tests.model.system import System, running

FULL = bool(os.environ.get("FULL"))
ACCIDENTS = {"tick": 2, "lost": 1}


@pytest.fixture
def system() -> Iterator[System]:
    with running() as model:
        yield model


def opening(system: System) -> None:
    """The saga has been begun, nobody has been asked for anything."""
    system.book(STUDENT)
    system.step(1)
    system.state.budget = {**ACCIDENTS, "hold ends": 1, "pay": 1, "created events": 1}


def waiting(system: System) -> None:
    """The payment can be made."""
    system.book(STUDENT)
    _undisturbed(system)
    system.state.budget = {**ACCIDENTS, "pay": 1, "decline": 2, "hold ends": 1, "duplicate": 1, "cancel": 1}


def late(system: System) -> None:
    """The money came in time, its event did not; hold and grace have ended."""
    system.book(STUDENT)
    _undisturbed(system)
    apply(system, ("pay", next(iter(system.state.intents))))
    system.state.now += HOLD + GRACE
    system.state.budget = {**ACCIDENTS, "rival": 1, "cancel": 1, "duplicate": 1, "reconcile": 1}


def sold(system: System) -> None:
    """The lesson is confirmed and paid."""
    system.book(STUDENT)
    _undisturbed(system)
    _paid(system)
    system.state.budget = {**ACCIDENTS, "cancel": 2, "duplicate": 1, "takes place": 1, "reconcile": 1}


def refused(system: System) -> None:
    """The lesson is paid, and the provider refuses every refund of it for good, unless it allows them later."""
    sold(system)
    system.state.budget = {**ACCIDENTS, "cancel": 2, "refunds refused": 1, "refunds allowed": 1, "reconcile": 1}


def given_up(system: System) -> None:
    """The lesson was cancelled, and its refund was refused: it waits for a person."""
    refused(system)
    apply(system, ("cancel", _saga(system)))
    _undisturbed(system)
    system.state.budget = {
        **ACCIDENTS,
        "refunds refused": 1,
        "refunds allowed": 1,
        "retry": 2,
        "refund by hand": 1,
        "reconcile": 1,
    }


def paid_back(system: System) -> None:
    """The lesson was cancelled, and its refund was paid. It can fail later."""
    sold(system)
    apply(system, ("cancel", _saga(system)))
    _all_heard(system)
    system.state.budget = {**ACCIDENTS, "succeeded refund fails": 2, "disputed": 1, "duplicate": 1, "reconcile": 1}


def failed_twice(system: System) -> None:
    """Two refunds of it have failed later, and the third was paid."""
    paid_back(system)
    for _ in range(2):
        system.state.budget = {"succeeded refund fails": 1}
        apply(system, next(choice for choice in choices(system) if choice[0] == "refund fails"))
        _all_heard(system)
    system.state.budget = {**ACCIDENTS, "succeeded refund fails": 1, "retry": 1, "refund by hand": 1, "reconcile": 1}


def seat_wanted(system: System) -> None:
    """The same of a place in the course: begun, and nobody asked for anything."""
    system.enroll(STUDENT)
    system.step(1)
    system.state.budget = {**ACCIDENTS, "hold ends": 1, "pay": 1, "created events": 1, "rival": 1}


def seat_held(system: System) -> None:
    """The place can be paid."""
    system.enroll(STUDENT)
    _undisturbed(system)
    system.state.budget = {**ACCIDENTS, "pay": 1, "decline": 2, "hold ends": 1, "duplicate": 1, "cancel": 1}


def seat_paid_late(system: System) -> None:
    """The money came in time, its event did not; hold and grace have ended."""
    system.enroll(STUDENT)
    _undisturbed(system)
    apply(system, ("pay", next(iter(system.state.intents))))
    system.state.now += HOLD + GRACE
    system.state.budget = {**ACCIDENTS, "rival": 1, "cancel": 1, "duplicate": 1, "reconcile": 1}


def enrolled(system: System) -> None:
    """The place is paid and active."""
    system.enroll(STUDENT)
    _undisturbed(system)
    _paid(system)
    system.state.budget = {**ACCIDENTS, "cancel": 2, "duplicate": 1, "reconcile": 1}


def left(system: System) -> None:
    """The enrollment was cancelled, and its refund was paid. It can fail later, and be refused."""
    enrolled(system)
    apply(system, ("cancel", _saga(system)))
    _all_heard(system)
    system.state.budget = {**ACCIDENTS, "succeeded refund fails": 1, "disputed": 1, "retry": 1, "refund by hand": 1}


def _paid(system: System) -> None:
    """It is paid, the event has come, and what is sold is there."""
    apply(system, ("pay", next(iter(system.state.intents))))
    apply(system, ("deliver", next(event for event in system.state.on_their_way if "succeeded" in event)))
    _undisturbed(system)
    assert [row.state for row in system.state.sagas.values()] == ["COMPLETED"]


def _undisturbed(system: System) -> None:
    while system.state.actors:
        apply(system, choices(system)[0])


def _all_heard(system: System) -> None:
    """Until nobody does anything, every event has come, and the inbox has looked."""
    _undisturbed(system)
    while happens := [choice for choice in choices(system) if choice[0] in ("deliver", "inbox", "recover")]:
        apply(system, happens[0])
        _undisturbed(system)


def _saga(system: System) -> str:
    return str(next(iter(system.state.sagas)))


@pytest.mark.parametrize(
    ("start", "depth", "floor"),
    [
        (opening, 7, 3000) if FULL else (opening, 6, 1400),
        (waiting, 6, 5000) if FULL else (waiting, 5, 1300),
        (late, 5, 4000) if FULL else (late, 4, 900),
        (sold, 8, 4000) if FULL else (sold, 7, 3500),
        (refused, 8, 900),
        (given_up, 7, 1500),
        (paid_back, 7, 1200),
        (failed_twice, 9, 600),
        (seat_wanted, 5, 700),
        (seat_held, 5, 700),
        (seat_paid_late, 4, 700),
        (enrolled, 6, 1000),
        (left, 9, 150),
    ],
)
def test_every_order_of_events_comes_to_a_right_end(
    system: System, start: Callable[[System], None], depth: int, floor: int
) -> None:
    found = search(system, start, depth)
    print(found)
    assert found.states >= floor
    assert len(found.ends) > 1, found.ends  # more than one end can be reached from everywhere
