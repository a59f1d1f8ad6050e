"""Who sends a request, and how much may they ask? Every endpoint that serves people asks here first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable

from starlette.requests import HTTPConnection, Request

from bff.http.addresses import client_address
from bff.http.in_flight import InFlightLimit
from bff.http.rate_limits import Allowance, RateLimited, RateLimiter
from mesh.calls import Person
from mesh.errors import Refusal, Unauthenticated
from mesh.identity import Claims, Verifier

#: Units that a read without a token costs beyond its others: an address gets 20 at once, then 10 a second.
VISITOR_UNITS = 4


class ClientGone(Exception):
    """The client has closed its connection: nobody would read the answer."""


class Caller:
    """Who a request counts for: the person of its valid token, else the client's address."""

    def __init__(
        self, connection: HTTPConnection, person: Person | None, rate_limiter: RateLimiter, in_flight: InFlightLimit
    ) -> None:
        self.person = person
        self.key: Hashable = person.id if person else client_address(connection)
        self._connection, self._rate_limiter, self._in_flight = connection, rate_limiter, in_flight

    def count_request(self) -> None:
        """Takes the unit of a plain request. Raises RateLimited."""
        self._connection.state.caller = self.key  # bodies.py reads it
        self._note(self._rate_limiter.take_token(self.key))

    def charge(self, units: int) -> None:
        """Takes so many units beyond that of the request, whether they are there or not. A negative number gives back."""
        if units:
            self._note(self._rate_limiter.charge(self.key, units))

    def charge_visitor(self) -> None:
        """Takes the further units of a read, when nobody is known to ask."""
        if self.person is None:
            self.charge(VISITOR_UNITS)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The block runs when it is the caller's turn. Nothing is begun for a caller who owes, or who has gone.

        Raises RateLimited, ClientGone, and TryAgain once the deadline of the current call has passed.
        """
        async with self._in_flight.turn(self.key):
            await self._must_be_there()
            self._note(self._rate_limiter.look(self.key))
            yield

    async def _must_be_there(self) -> None:
        """A client that closes its connection is known to have gone only after the event loop has looked at it."""
        if isinstance(self._connection, Request):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if await self._connection.is_disconnected():
                raise ClientGone

    def _note(self, allowance: Allowance) -> None:
        """Keeps the allowance for the answer's headers."""
        self._connection.state.allowance = allowance
        if not allowance.is_allowed:
            raise RateLimited(retry_after=allowance.retry_after)


class Authenticator:
    """One for all endpoints of a process, so that a person has one rate over all of them."""

    def __init__(self, verifier: Verifier, rate_limiter: RateLimiter, in_flight: InFlightLimit) -> None:
        self._verifier, self._rate_limiter = verifier, rate_limiter
        self._in_flight = in_flight

    async def authenticate(self, request: HTTPConnection) -> Caller:
        """The caller by the request's bearer token, within their rate.

        A request without a token, or with a bad one, counts for its address. The remaining allowance is noted in the
        request's state, for the answer's headers. A service's token (claim `svc`) is a bad one here: it names a
        program, which calls gRPC, and no person. Raises Unauthenticated, RateLimited, TryAgain (the issuer is away).
        """
        claims = await self.authenticate_token(request, request.headers.get("authorization", ""))
        return self.caller(request, claims.person if claims else None)

    async def authenticate_token(self, connection: HTTPConnection, authorization: str) -> Claims | None:
        """The claims of a token from elsewhere than the header; they say when it expires. None without a token."""
        try:
            claims = await self._verify(authorization)
        except Refusal:
            self.caller(connection, None).count_request()
            raise
        if claims is not None and (opened := getattr(connection.state, "connection", None)):
            opened.belongs_to(claims.person.id)
        self.caller(connection, claims.person if claims else None).count_request()
        return claims

    def caller(self, connection: HTTPConnection, person: Person | None) -> Caller:
        """The caller on this connection, known already."""
        return Caller(connection, person, self._rate_limiter, self._in_flight)

    async def _verify(self, authorization: str) -> Claims | None:
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("authorization must be a Bearer token")
        claims = await self._verifier.verify(token.strip())
        if claims.is_for_service:
            raise Unauthenticated("a service's token is for gRPC; it is not taken here")
        return claims
