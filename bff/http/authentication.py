"""Who sends a request, and have they sent too many? Every endpoint that serves people asks here first."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from bff.http.addresses import client_address
from bff.http.rate_limits import RateLimited, RateLimiter
from mesh.calls import Person
from mesh.errors import Refusal, Unauthenticated
from mesh.identity import Claims, Verifier


class Authenticator:
    """One for all endpoints of a process, so that a person has one rate over all of them."""

    def __init__(self, verifier: Verifier, rate_limiter: RateLimiter) -> None:
        self._verifier, self._rate_limiter = verifier, rate_limiter

    async def authenticate(self, request: HTTPConnection) -> Person | None:
        """The person of the request's bearer token, within their rate; None without a token.

        A request without a token, or with a bad one, counts for its address. The remaining allowance is noted in the
        request's state, for the answer's headers. Raises Unauthenticated, RateLimited, TryAgain (the issuer is away).
        """
        claims = await self.authenticate_token(request, request.headers.get("authorization", ""))
        return claims.person if claims else None

    async def authenticate_token(self, connection: HTTPConnection, authorization: str) -> Claims | None:
        """The same for a token from elsewhere than the header; the claims say when it expires."""
        try:
            claims = await self._verify(authorization)
        except Refusal:
            self.count_request(connection, None)
            raise
        self.count_request(connection, claims.person if claims else None)
        return claims

    def count_request(self, connection: HTTPConnection, person: Person | None) -> None:
        """Counts a request for the person, or for the address when there is none. Raises RateLimited."""
        allowance = self._rate_limiter.take_token(person.id if person else client_address(connection))
        connection.state.allowance = allowance
        if not allowance.is_allowed:
            raise RateLimited(retry_after=allowance.retry_after)

    async def _verify(self, authorization: str) -> Claims | None:
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("authorization must be a Bearer token")
        return await self._verifier.verify(token.strip())
