"""Who stands at a door, and whether they may ask now. Every door that takes people asks here first."""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from bff.rates import RateLimited, Rates
from mesh.calls import Person
from mesh.errors import Refusal, Unauthenticated
from mesh.identity import Verifier

#: An IPv6 host is given a whole /64; anybody could choose among its addresses.
_HOST_BITS = 64


class Admission:
    """One for all doors of a process, so that a person has one rate whichever door they come through."""

    def __init__(self, verifier: Verifier, rates: Rates) -> None:
        self._verifier, self._rates = verifier, rates

    async def person(self, connection: HTTPConnection) -> Person | None:
        """The person behind the request's bearer token, within their rate; None without a token.

        Who is nobody, or claims to be somebody in vain, is limited by their address. What is left is noted on the
        connection, for the answer's headers. Raises Unauthenticated, RateLimited, TryAgain (the issuer is away).
        """
        try:
            person = await self._claimed(connection.headers.get("authorization", ""))
        except Refusal:
            self._charge(connection, _address(connection))
            raise
        self._charge(connection, person.id if person else _address(connection))
        return person

    async def _claimed(self, authorization: str) -> Person | None:
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("authorization must be a Bearer token")
        return (await self._verifier.verify(token.strip())).person

    def _charge(self, connection: HTTPConnection, who: Hashable) -> None:
        allowance = self._rates.take(who)
        connection.state.allowance = allowance
        if not allowance.is_admitted:
            raise RateLimited(retry_after=allowance.retry_after)


def _address(connection: HTTPConnection) -> str:
    """Whom an anonymous request counts for. Behind a proxy that is the proxy: it must limit for itself."""
    host = connection.client.host if connection.client else ""
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> _HOST_BITS:x}::/64"
    return host
