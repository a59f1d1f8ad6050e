"""Processes without a loop: each is a coroutine that stops before every call to the outside, until it is let go.

A process is kept as how it began and what it was answered since its last commit, so that a state can be gone back to:
the coroutine is then made again and told the same answers, without their effects.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass, replace
from itertools import count
from types import coroutine
from typing import Any, NamedTuple

from mesh.errors import CallFailed, Refusal
from tests.model.state import State

#: What may end a process: it is recovered, or asked again.
EXPECTED = (Refusal, CallFailed)
#: Kinds of processes that wait for a drive.
WAITERS = ("book", "enroll", "cancel")
Make = Callable[[], Coroutine[Any, Any, Any]]


class Request(NamedTuple):
    """A call that a process is about to make. `lost` is what it gets when the call or its answer is lost."""

    name: str
    effect: Callable[[], Any]
    lost: Callable[[], Exception] | None
    ready: Callable[[], bool] | None


class Heard(NamedTuple):
    """One answer that a process got: to a call, or to a look at its own process (`inside`)."""

    value: Any
    error: Exception | None = None
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """A process, or a task of one. `subject` and `replica` say what it drives and where."""

    id: int
    kind: str
    make: Make
    began: Any  # what `make` closes over, for the fingerprint
    subject: Any = None
    replica: int = 0
    log: tuple[Heard, ...] = ()
    done: bool = False
    result: Heard | None = None
    stalled: bool = False

    def __repr__(self) -> str:
        if self.done:
            return f"{self.kind} of {self.subject}"  # what it said was heard, or is in the tables
        return f"{self.kind} {self.subject} {self.replica} {self.began} {self.log} {self.stalled}"


class _Running(NamedTuple):
    actor: Actor
    coroutine: Coroutine[Any, Any, Any]
    context: Context
    pending: Request


class Clockwork:
    """Steps processes, one call at a time, over a State that can be exchanged."""

    def __init__(self) -> None:
        self.state = State()
        self.current: Actor | None = None
        self.steps = 0
        self._running: dict[int, _Running] = {}
        self._replay: deque[Heard] | None = None
        self._noted: list[Heard] = []
        self._checkpoint: tuple[Make, Any] | None = None

    @coroutine
    def call(
        self,
        name: str,
        effect: Callable[[], Any],
        lost: Callable[[], Exception] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> Generator[Request, Any, Any]:
        """One call to the outside: its effect is atomic, and anybody may act before it."""
        return (yield Request(name, effect, lost, ready))

    def inside(self, look: Callable[[], Any]) -> Any:
        """What a process sees or does in its own memory; remembered, so that a repeat sees the same."""
        if self._replay is not None:
            return self._replay.popleft().value
        value = look()
        self._noted.append(Heard(value, inside=True))
        return value

    def checkpoint(self, make: Make, began: Any) -> None:
        """The current process has just committed: from here on it is what `make` gives, and nothing before counts."""
        self._checkpoint = (make, began)

    def spawn(self, kind: str, make: Make, began: Any, subject: Any = None, replica: int = 0) -> int:
        new = next(free for free in count(1) if free not in self.state.actors)
        self.state.actors[new] = Actor(new, kind, make, began, subject, replica)
        return new

    def pending(self, actor: Actor) -> Request | None:
        """The call that a process stands before; None when it has ended."""
        running = self._run(actor)
        return running.pending if running is not None else None

    def can_step(self, actor: Actor) -> bool:
        if actor.done:
            return False
        request = self.pending(actor)
        return request is not None and (request.ready is None or request.ready())

    def step(self, actor_id: int, fault: str = "") -> None:
        """Let a process make its call and go on to the next. `fault`: "request lost" or "answer lost"."""
        self.steps += 1
        actor = self.state.actors[actor_id]
        running = self._run(actor)
        if running is None:
            return
        self.current, self._checkpoint, self._noted = actor, None, []
        heard = self._answered(running.pending, fault)
        self._go_on(running, heard)
        self.current = None

    def _answered(self, request: Request, fault: str) -> Heard:
        heard = Heard(None)
        if fault != "request lost":
            try:
                heard = Heard(request.effect())
            except Exception as error:
                heard = Heard(None, error)
        if fault:
            assert request.lost is not None
            self._checkpoint = None
            heard = Heard(None, request.lost())
        return heard

    def _go_on(self, running: _Running, heard: Heard) -> None:
        actor = running.actor
        try:
            pending = running.context.run(_told, running.coroutine, heard)
        except StopIteration as end:
            self._ended(actor, Heard(end.value))
            return
        except Exception as error:
            self._ended(actor, Heard(None, error))
            return
        if self._checkpoint is not None:
            make, began = self._checkpoint
            actor = replace(actor, make=make, began=began, log=())
        else:
            actor = replace(actor, log=(*actor.log, heard, *self._noted))
        self.state.actors[actor.id] = actor
        self._running[actor.id] = running._replace(actor=actor, pending=pending)

    def _ended(self, actor: Actor, result: Heard) -> None:
        """Kept only while somebody of its own process may be waiting for it."""
        self._running.pop(actor.id, None)
        if result.error is not None and not isinstance(result.error, EXPECTED):
            raise AssertionError(f"{actor.kind} crashed") from result.error
        self.state.actors[actor.id] = replace(actor, done=True, result=result, log=())
        if not any(other.kind in WAITERS and not other.done for other in self.state.actors.values()):
            for other in [other for other in self.state.actors.values() if other.done]:
                del self.state.actors[other.id]

    def _run(self, actor: Actor) -> _Running | None:
        """The process where it stands: as it was left, or made again."""
        running = self._running.get(actor.id)
        if running is not None and running.actor is actor:
            return running
        if running is not None:
            running.context.run(running.coroutine.close)
        context, again = Context(), actor.make()
        self._replay, self._noted = deque(actor.log) if actor.log else None, []
        try:
            pending = context.run(again.send, None)
            while self._replay:
                pending = context.run(_told, again, self._replay.popleft())
        except StopIteration as end:
            self._ended(actor, Heard(end.value))
            return None
        finally:
            self._replay = None
        if self._noted:  # it looked around before its first call
            actor = replace(actor, log=(*actor.log, *self._noted))
            self.state.actors[actor.id] = actor
        self._running[actor.id] = _Running(actor, again, context, pending)
        return self._running[actor.id]

    def close(self) -> None:
        for running in self._running.values():
            with contextlib.suppress(RuntimeError):
                running.context.run(running.coroutine.close)
        self._running.clear()


def _told(process: Coroutine[Any, Any, Any], heard: Heard) -> Any:
    if heard.error is not None:
        return process.throw(heard.error.with_traceback(None))
    return process.send(heard.value)
