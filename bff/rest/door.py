"""What every REST request passes: who asks, may they do this at all, and an envelope around whatever comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.graphql.operations import GRACE_SECONDS
from bff.http import bodies, envelope
from bff.http.authentication import Admission
from bff.http.bodies import BadBody
from bff.http.envelope import Names
from bff.peers import Peers
from bff.rest.fields import Fields
from mesh import calls, wire
from mesh.calls import Person
from mesh.errors import CallFailed, Forbidden, Refusal, Unauthenticated
from mesh.logs import log

ANYBODY = frozenset({"student", "tutor", "admin", "service"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a person who has a role for it."""

    request: Request
    person: Person
    mesh: Peers

    @property
    def is_service(self) -> bool:
        return self.person.is_service

    def path_uuid(self, name: str) -> str:
        """A UUID of the path. Raises BadInput that names it."""
        return str(wire.uuid(self.request.path_params[name], name))

    def query(self) -> Fields:
        """The query's parameters; of one that is repeated the last."""
        return Fields(dict(self.request.query_params))

    async def body(self, *, may_be_empty: bool = False) -> Fields:
        """The JSON object in the body. Raises BadBody."""
        raw = await bodies.read_json(self.request)
        if may_be_empty and not raw:
            return Fields({})
        document = bodies.exact_json(raw)
        if not isinstance(document, dict):
            raise BadBody(400, "the body must be one JSON object")
        return Fields(document)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: who may use it, and what it does. `names` are the client's for the services' fields."""

    method: str
    path: str
    roles: frozenset[str]
    serve: Callable[[Asked], Awaitable[Response]]
    names: Names = field(default_factory=dict)


class RestDoor:
    """Serves operations."""

    def __init__(self, peers: Peers, admission: Admission) -> None:
        self._peers, self._admission = peers, admission

    def route(self, operation: Operation) -> Route:
        """The operation as the router takes it."""

        async def serve(request: Request) -> Response:
            began = time.perf_counter()
            answer = await self._answered(operation, request)
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log().info(
                "rest", route=operation.path, method=operation.method, status=answer.status_code, ms=milliseconds
            )
            return answer

        return Route(operation.path, serve, methods=[operation.method])

    async def _answered(self, operation: Operation, request: Request) -> Response:
        try:
            async with asyncio.timeout_at((calls.current().deadline or 0) + GRACE_SECONDS):
                asked = await self._admitted(operation, request)
                return await _served(operation, asked)
        except BadBody as error:
            return envelope.not_taken(error)
        except Refusal as error:
            return envelope.refused(error, operation.names)
        except CallFailed as error:
            return envelope.not_answered(error)
        except TimeoutError:
            return envelope.not_now()

    async def _admitted(self, operation: Operation, request: Request) -> Asked:
        person = await self._admission.person(request)
        if person is None:
            raise Unauthenticated("a token must be given")
        if operation.roles.isdisjoint(person.roles):
            raise Forbidden(f"only {' or '.join(sorted(operation.roles))} may do this")
        calls.enter(replace(calls.current(), person=person))
        return Asked(request, person, self._peers)


async def _served(operation: Operation, asked: Asked) -> Response:
    try:
        return await operation.serve(asked)
    except Unauthenticated as error:
        # A peer does not believe a token that we have verified, or ours: nothing that the person can mend.
        log().warning("peer_did_not_believe_us", route=operation.path, error=str(error))
        return envelope.not_now()
