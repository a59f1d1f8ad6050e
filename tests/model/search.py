"""Breadth-first over everything that may happen, to a depth; the way to rest is walked from wherever a table changed.

(A call that changed no table leaves the world as it was: from there it rests as it did before the call.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.model.life import Choice, apply, choices
from tests.model.rest import MOST_STEPS, begin_to_rest, rest_a_little
from tests.model.state import State, forget_marks
from tests.model.system import System

Trace = tuple[Choice, ...]


@dataclass
class Searched:
    """What a search saw."""

    depth: int
    states: int = 0
    transitions: int = 0
    rests: int = 0
    resting: int = 0
    seconds: float = 0.0
    ends: dict[str, int] = field(default_factory=dict)


class Broken(AssertionError):
    """An invariant does not hold; the message tells the way there."""


def search(system: System, start: Callable[[System], None], depth: int) -> Searched:
    """Every order of events from `start`, `depth` choices deep. Raises Broken with the shortest way to a breach."""
    began, found = time.perf_counter(), Searched(depth)
    system.state = State()
    start(system)
    seen, rested = {system.state.fingerprint()}, set[int]()
    frontier: list[tuple[State, Trace]] = [(system.state, ())]
    _rest_from(system, system.state, (), rested, found)
    for _ in range(depth):
        frontier = _next(system, frontier, seen, rested, found)
        forget_marks()
    found.states, found.resting, found.seconds = len(seen), len(rested), time.perf_counter() - began
    return found


def _next(
    system: System, frontier: list[tuple[State, Trace]], seen: set[int], rested: set[int], found: Searched
) -> list[tuple[State, Trace]]:
    following = []
    for state, trace in frontier:
        tables = state.tables()
        system.state = state.copy()
        for choice in choices(system):
            system.state = state.copy()
            way = (*trace, choice)
            _checked(way, lambda choice=choice: apply(system, choice))
            found.transitions += 1
            fingerprint = system.state.fingerprint()
            if fingerprint not in seen:
                seen.add(fingerprint)
                reached = system.state
                following.append((reached, way))
                if reached.tables() != tables:
                    _rest_from(system, reached, way, rested, found)
    return following


def _rest_from(system: System, state: State, trace: Trace, rested: set[int], found: Searched) -> None:
    """Come to rest from here; stops where an earlier way to rest went on from the same state."""
    system.state = state.copy()
    begin_to_rest(system)
    for _ in range(MOST_STEPS):
        fingerprint = system.state.fingerprint()
        if fingerprint in rested:
            return
        rested.add(fingerprint)
        if not _checked((*trace, ("rest",)), lambda: rest_a_little(system)):
            found.rests += 1
            end = " ".join(sorted(row.state for row in system.state.sagas.values()))
            found.ends[end] = found.ends.get(end, 0) + 1
            return
    raise Broken(f"does not come to rest after {trace}")


def _checked(trace: Trace, happen: Callable[[], object]) -> object:
    try:
        return happen()
    except AssertionError as breach:
        raise Broken(f"{breach} ({breach.__cause__!r}) after:\n" + "\n".join(" ".join(c) for c in trace)) from breach
