"""Who stands at a door, and whether they may ask now. Every door that takes people asks here first."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from bff.http.addresses import address
from bff.http.rate_limits import RateLimited, Rates
from mesh.calls import Person
from mesh.errors import Refusal, Unauthenticated
from mesh.identity import Claims, Verifier


class Admission:
    """One for all doors of a process, so that a person has one rate whichever door they come through."""

    def __init__(self, verifier: Verifier, rates: Rates) -> None:
        self._verifier, self._rates = verifier, rates

    async def person(self, connection: HTTPConnection) -> Person | None:
        """The person behind the request's bearer token, within their rate; None without a token.

        Who is nobody, or claims to be somebody in vain, is limited by their address. What is left is noted on the
        connection, for the answer's headers. Raises Unauthenticated, RateLimited, TryAgain (the issuer is away).
        """
        claims = await self.claims(connection, connection.headers.get("authorization", ""))
        return claims.person if claims else None

    async def claims(self, connection: HTTPConnection, authorization: str) -> Claims | None:
        """The same for a token that may have come by another way than the header, with when it ends."""
        try:
            claims = await self._claimed(authorization)
        except Refusal:
            self.charge(connection, None)
            raise
        self.charge(connection, claims.person if claims else None)
        return claims

    def charge(self, connection: HTTPConnection, person: Person | None) -> None:
        """One more request of this person's, or of nobody's at this address. Raises RateLimited."""
        allowance = self._rates.take(person.id if person else address(connection))
        connection.state.allowance = allowance
        if not allowance.is_admitted:
            raise RateLimited(retry_after=allowance.retry_after)

    async def _claimed(self, authorization: str) -> Claims | None:
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("authorization must be a Bearer token")
        return await self._verifier.verify(token.strip())
