"""The context of one call: request id, deadline, person and calling service.

A context variable keeps it, so that code which a servicer calls inherits it. The client interceptors of
`mesh.channels` send the request id, the person's token and the rest of the deadline with each outgoing call.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from uuid import UUID

from mesh.errors import Forbidden, TryAgain, Unauthenticated

#: The request id of code that runs outside of any call.
NO_CALL = "-"
#: The service that calls for people, and for visitors who have not said who they are.
EDGE = "bff"


@dataclass(frozen=True, slots=True)
class Person:
    """The person that a verified token names. A token with the role "service" and no claim `svc` names one too."""

    id: UUID
    roles: frozenset[str]
    token: str = field(repr=False)

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
    service: str = ""  # the calling service; empty when a person calls without one
    #: What it is about, for log lines (mesh.about). Everybody who works on the call shares it.
    ids: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_of_visitor(self) -> bool:
        """True for a call of the edge without a person: it asks for anybody at all, and never on its own behalf."""
        return self.person is None and self.service == EDGE

    def require_person(self) -> Person:
        """The person behind this call. Raises Unauthenticated when there is none."""
        if self.person is None:
            raise Unauthenticated
        return self.person

    def speaks_for(self, *people: UUID | None) -> bool:
        """True when the caller is one of these people, an admin, or a service on its own behalf. None is nobody."""
        return self.person is None or self.person.is_admin or self.person.is_service or self.person.id in people

    def must_speak_for(self, *people: UUID) -> None:
        """Raises Forbidden unless the caller speaks for one of these people."""
        if not self.speaks_for(*people):
            raise Forbidden


_current: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call that this task serves. Outside of any call: an anonymous one without a deadline."""
    return _current.get(None) or Call(request_id=NO_CALL)


def current_request() -> str | None:
    """The id of the request that this task serves; None outside of any call."""
    request_id = current().request_id
    return None if request_id == NO_CALL else request_id


def enter(call: Call) -> None:
    """Make this the current call of this task, and of the tasks that it starts."""
    _current.set(call)


@contextlib.contextmanager
def entered(call: Call) -> Iterator[None]:
    """Within this block this is the current call."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def background(request_id: str | None = None) -> Iterator[None]:
    """Within this block the current call has no person and no deadline: the work belongs to no caller."""
    with entered(Call(request_id=request_id or new_request_id())):
        yield


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within this block the current call has at most so many seconds left."""
    call = current()
    end = asyncio.get_running_loop().time() + seconds
    with entered(replace(call, deadline=end if call.deadline is None else min(end, call.deadline))):
        yield


def remaining() -> float | None:
    """Seconds left to the current call; None without a deadline. Raises TryAgain once the deadline has passed."""
    end = current().deadline
    if end is None:
        return None
    left = end - asyncio.get_running_loop().time()
    if left <= 0:
        raise TryAgain("the deadline has passed")
    return left


def new_request_id() -> str:
    return secrets.token_hex(8)
