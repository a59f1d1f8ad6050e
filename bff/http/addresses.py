"""The address that a connection without a person counts for."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

#: An IPv6 host is given a whole /64, and may choose any address in it.
_HOST_BITS = 64


def client_address(connection: HTTPConnection) -> str:
    """The connection's IP address; of IPv6 the /64. Behind a proxy it is the proxy's, which must limit for itself."""
    host = connection.client.host if connection.client else ""
    try:
        parsed = ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> _HOST_BITS:x}::/64"
    return host
