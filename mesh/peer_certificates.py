"""Whose certificates the peers of a channel have, as gRPC's channelz tells it.

The client of grpcio checks the DNS names of its peer's certificate, and shows the certificate to nobody. Channelz (gRPC:
proposal A14) has that of each open connection. So a SPIFFE id can be checked after the handshake, and not in it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # grpcio-channelz calls these functions too

from mesh.certificates import identity_in, service_of

#: The option of a channel whose connections can be looked at.
OPTION = ("grpc.enable_channelz", 1)


class Connections:
    """The connections of the channel to this address that was opened last in this process."""

    def __init__(self, address: str) -> None:
        self._channel = _newest_channel(address)
        self._known: set[str] = set()

    def find_stranger(self, service: str) -> str | None:
        """The SPIFFE id of a peer that is not this service, empty for one without; None when there is no such peer.

        A connection is looked at until it was found to be good.
        """
        open_now = set(self._sockets())
        self._known &= open_now
        for socket in open_now - self._known:
            found = _ask(cygrpc.channelz_get_socket, socket)
            if not found:  # it has been closed meanwhile
                continue
            pem = found["socket"].get("security", {}).get("tls", {}).get("remoteCertificate", "")
            identity = identity_in(base64.b64decode(pem))
            if service_of(identity) != service:
                return identity
            self._known.add(socket)
        return None

    def _sockets(self) -> Iterator[str]:
        channel = _ask(cygrpc.channelz_get_channel, self._channel)
        for one in channel.get("channel", {}).get("subchannelRef", ()):
            found = _ask(cygrpc.channelz_get_subchannel, one["subchannelId"])
            yield from (socket["socketId"] for socket in found.get("subchannel", {}).get("socketRef", ()))


def _newest_channel(address: str) -> str:
    """The channel's id. A channel gets its id when it is first listed, which is now: so the highest one is the newest.

    gRPC shows the address "host:port" as "dns:///host:port".
    """
    name, seen, found = address.rpartition("/")[2].removeprefix("dns:"), 0, 0
    while True:
        page = json.loads(cygrpc.channelz_get_top_channels(seen + 1))
        targets = {int(one["ref"]["channelId"]): one["data"]["target"] for one in page.get("channel", ())}
        found = max((found, *(number for number, target in targets.items() if target.endswith(name))))
        if page.get("end", False) or not targets:
            return str(found)
        seen = max(targets)


def _ask(function: Callable[[int], bytes], number: str) -> dict[str, Any]:
    """What channelz says; nothing of what has gone."""
    try:
        return dict(json.loads(function(int(number))))
    except ValueError:
        return {}
