"""What every REST endpoint shares: the caller, their role, and an envelope around the answer or the failure."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.http import bodies, envelope
from bff.http.authentication import Authenticator, Caller
from bff.http.bodies import ANSWER_BYTES_PER_UNIT, BYTES_PER_UNIT, BadBody
from bff.http.envelope import FieldNames
from bff.http.middleware import GRACE_SECONDS
from bff.peers import Peers
from bff.rest.fields import Fields
from bff.rest.operations import IDEMPOTENCY_KEY, Operation
from mesh import calls, wire
from mesh.calls import Person
from mesh.errors import BadInput, CallFailed, Forbidden, Refusal, Unauthenticated, describe
from mesh.logs import log

ANYBODY = frozenset({"student", "tutor", "admin", "service"})
_BODILESS = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request of a person who has a role for it, or of anybody when the endpoint is open."""

    http: Request
    peers: Peers
    caller: Caller
    body: bytes

    @property
    def person(self) -> Person:
        """Who asks. Raises Unauthenticated when nobody is known, which only an open endpoint can meet."""
        if self.caller.person is None:
            raise Unauthenticated("a token must be given")
        return self.caller.person

    @property
    def is_anonymous(self) -> bool:
        return self.caller.person is None

    def path_uuid(self, name: str) -> str:
        """A UUID of the path. Raises BadInput that names it."""
        return str(wire.uuid(self.http.path_params[name], name))

    @contextlib.contextmanager
    def reserve(self, units: int) -> Iterator[None]:
        """Charges the caller so many units until it is known how large the answer is."""
        self.caller.charge(units)
        try:
            yield
        finally:
            self.caller.charge(-units)

    def query(self) -> Fields:
        """The query's parameters. Of a repeated parameter the last one counts."""
        return Fields(dict(self.http.query_params))

    def idempotency_key(self) -> str:
        """The client's key for this request; empty when it has none. Raises BadInput for an empty one."""
        key = self.http.headers.get(IDEMPOTENCY_KEY["name"])
        if key is not None and not 1 <= len(key) <= 255:
            raise BadInput("must have 1 to 255 characters", field=IDEMPOTENCY_KEY["name"])
        return key or ""

    def read_body(self, *, may_be_empty: bool = False) -> Fields:
        """The JSON object in the body. Raises BadBody."""
        if may_be_empty and not self.body:
            return Fields({})
        document = bodies.parse_json_exactly(self.body)
        if not isinstance(document, dict):
            raise BadBody(400, "the body must be one JSON object")
        return Fields(document)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method of a path: the roles that may use it, its handler, and its description for `/openapi.json`.

    `names` are the client's names for the services' fields. An `is_open` one needs no token where PUBLIC_AVAILABILITY
    is set.
    """

    method: str
    path: str
    roles: frozenset[str]
    handle: Callable[[RestRequest], Awaitable[Response]]
    operation: Operation
    names: FieldNames
    is_open: bool = False


class RestRouter:
    """Makes routes of endpoints."""

    def __init__(self, peers: Peers, authenticator: Authenticator, *, is_open: bool = False) -> None:
        """`is_open` says whether the open endpoints are."""
        self._peers, self._authenticator, self._is_open = peers, authenticator, is_open

    def route(self, endpoint: Endpoint) -> Route:
        """The endpoint as a route, each of its requests logged."""

        async def serve(request: Request) -> Response:
            began = time.perf_counter()
            answer = await self._answer(endpoint, request)
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log().info("rest", route=endpoint.path, method=endpoint.method, status=answer.status_code, ms=milliseconds)
            return answer

        return Route(endpoint.path, serve, methods=[endpoint.method])

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            async with asyncio.timeout_at((calls.current().deadline or 0) + GRACE_SECONDS):
                caller = await self._authorize(endpoint, request)
                body = b"" if endpoint.method in _BODILESS else await bodies.read_json_body(request)
                async with caller.turn():
                    caller.charge((len(body) + len(request.url.query)) // BYTES_PER_UNIT)
                    answer = await _handle(endpoint, RestRequest(request, self._peers, caller, body))
                    caller.charge(len(answer.body) // ANSWER_BYTES_PER_UNIT)
                    return answer
        except BadBody as error:
            return envelope.bad_body(error)
        except Refusal as error:
            return envelope.refusal(error, endpoint.names)
        except CallFailed as error:
            return envelope.failed_call(error)
        except TimeoutError:
            return envelope.unavailable()

    async def _authorize(self, endpoint: Endpoint, request: Request) -> Caller:
        """Raises Unauthenticated, Forbidden, RateLimited."""
        caller = await self._authenticator.authenticate(request)
        person = caller.person
        if person is None and not (self._is_open and endpoint.is_open):
            raise Unauthenticated("a token must be given")
        if person is not None and endpoint.roles.isdisjoint(person.roles):
            raise Forbidden(f"only {' or '.join(sorted(endpoint.roles))} may do this")
        caller.charge_visitor()
        calls.enter(replace(calls.current(), person=person))
        return caller


async def _handle(endpoint: Endpoint, request: RestRequest) -> Response:
    try:
        return await endpoint.handle(request)
    except Unauthenticated as error:
        # A peer rejects the person's token, which we have verified, or the edge's own. The person cannot mend that.
        log().warning("peer_did_not_believe_us", route=endpoint.path, **describe(error))
        return envelope.unavailable()
