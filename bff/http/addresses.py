"""Whom a connection counts for as long as nobody has said who they are."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

#: An IPv6 host is given a whole /64; anybody could choose among its addresses.
_HOST_BITS = 64


def address(connection: HTTPConnection) -> str:
    """The address of the connection; behind a proxy that is the proxy's: it must limit for itself."""
    host = connection.client.host if connection.client else ""
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> _HOST_BITS:x}::/64"
    return host
