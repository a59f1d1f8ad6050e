"""Every order of events in a small world, to a stated depth: one saga, two replicas, one calendar or one seat.

A choice is one call of one process (with its answer, or lost once), one delivery, one act of a person, one jump of the
clock. Depth: 7 choices from a booking that opens, 6 from one that awaits its payment, 5 from a sold one, 5 from one
whose money came in time but whose event did not. Of a place in a course, which goes the same ways by fewer calls: 5, 5, 4
and 4. Each start has its budget of events (below), so that takeovers, zombies,
duplicates, lost answers, cancels, hold ends and rivals meet inside every phase. From every state in which a table
changed the world is brought to rest in stages, and the invariants are checked after each (tests/model/life.py).

The floors hold the search up: a model in which nothing can happen any more would pass without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.model.life import STUDENT, apply, choices
from tests.model.participants import HOLD
from tests.model.search import search
from tests.model.state import GRACE
from tests.model.system import System, running

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
    apply(system, ("pay", next(iter(system.state.intents))))
    apply(system, ("deliver", next(iter(system.state.on_their_way))))
    _undisturbed(system)
    system.state.budget = {**ACCIDENTS, "cancel": 2, "duplicate": 1, "takes place": 1, "reconcile": 1}


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
    apply(system, ("pay", next(iter(system.state.intents))))
    apply(system, ("deliver", next(iter(system.state.on_their_way))))
    _undisturbed(system)
    system.state.budget = {**ACCIDENTS, "cancel": 2, "duplicate": 1, "reconcile": 1}


def _undisturbed(system: System) -> None:
    while system.state.actors:
        apply(system, choices(system)[0])


@pytest.mark.parametrize(
    ("start", "depth", "floor"),
    [
        (opening, 7, 3000),
        (waiting, 6, 5000),
        (late, 5, 4000),
        (sold, 5, 4000),
        (seat_wanted, 5, 700),
        (seat_held, 5, 700),
        (seat_paid_late, 4, 700),
        (enrolled, 4, 700),
    ],
)
def test_every_order_of_events_comes_to_a_right_end(
    system: System, start: Callable[[System], None], depth: int, floor: int
) -> None:
    found = search(system, start, depth)
    print(found)
    assert found.states >= floor
    assert len(found.ends) > 1, found.ends  # more than one end can be reached from everywhere
