"""What one call carries with it: request id, deadline, and who it is from.

Held in context variables, so that whatever a servicer calls inherits them: a client interceptor hands down what is
left of the deadline, the person's token and the request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import UUID

from mesh.errors import Forbidden, TryAgain, Unauthenticated

#: The request id of who is in no call.
NO_CALL = "-"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as their verified token tells it."""

    id: UUID
    roles: frozenset[str]
    token: str

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_service(self) -> bool:
        return "service" in self.roles


@dataclass(frozen=True, slots=True)
class Call:
    """One incoming call, or a piece of background work."""

    request_id: str
    deadline: float | None = None  # on the event loop's clock
    person: Person | None = None
    service: str = ""  # the service that calls us

    def require_person(self) -> Person:
        """The person behind this call. Raises Unauthenticated when there is none."""
        if self.person is None:
            raise Unauthenticated
        return self.person

    def speaks_for(self, *people: UUID | None) -> bool:
        """True for a service on its own behalf, an admin, and each of these people (None is nobody)."""
        return self.person is None or self.person.is_admin or self.person.is_service or self.person.id in people

    def must_speak_for(self, *people: UUID) -> None:
        """Raises Forbidden unless the caller speaks for one of these people."""
        if not self.speaks_for(*people):
            raise Forbidden


_current: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call we are in; an anonymous one without a deadline when there is none."""
    return _current.get(None) or Call(request_id=NO_CALL)


def enter(call: Call) -> None:
    """Make this the current call of this task (and of the tasks it starts)."""
    _current.set(call)


@contextlib.contextmanager
def background(request_id: str | None = None) -> Iterator[None]:
    """Work that belongs to no caller: no person, no deadline."""
    token = _current.set(Call(request_id=request_id or new_request_id()))
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within this block the current call has at most this long."""
    call = current()
    end = asyncio.get_running_loop().time() + seconds
    token = _current.set(replace(call, deadline=end if call.deadline is None else min(end, call.deadline)))
    try:
        yield
    finally:
        _current.reset(token)


def remaining() -> float | None:
    """Seconds left to the current call; None when it has no deadline. Raises TryAgain when none are left."""
    end = current().deadline
    if end is None:
        return None
    left = end - asyncio.get_running_loop().time()
    if left <= 0:
        raise TryAgain("the deadline has passed")
    return left


def new_request_id() -> str:
    return secrets.token_hex(8)
