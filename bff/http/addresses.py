"""The address that a connection without a person counts for."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection
from starlette.types import Scope

#: An IPv6 host is given a whole /64, and may choose any address in it.
_HOST_BITS = 64


def client_address(connection: HTTPConnection) -> str:
    """The client's IP address; of IPv6 the /64. It is the proxy's unless the proxy is one of TRUSTED_PROXIES."""
    return network_of(connection.client.host if connection.client else "")


def network_of(host: str) -> str:
    """The address that a host counts for: its own, of IPv6 its /64. Other text stays as it is."""
    parsed = _parse(host)
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> _HOST_BITS:x}::/64"
    return str(parsed) if parsed else host


class TrustedProxies:
    """The networks of proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, host: str) -> bool:
        parsed = _parse(host)
        return parsed is not None and any(parsed in network for network in self._networks)

    def note_client(self, scope: Scope) -> None:
        """Makes the client that trusted proxies name the client of this connection.

        Each proxy adds at the end whom it heard (RFC 7239, 5.2 says the same of `for`). So the client is the last
        address that is not a trusted proxy's; what stands before it is anybody's word.
        """
        client = scope.get("client")
        if not self._networks or not client:
            return
        named = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
        host = client[0]
        for hop in reversed(named.split(",")):
            if host not in self or _parse(_without_port(hop)) is None:
                break
            host = _without_port(hop)
        scope["client"] = (host, client[1])


def _without_port(hop: str) -> str:
    """Some proxies name the port, too: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    hop = hop.strip()
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    """None for what is no address. An IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2) is the IPv4 one."""
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
