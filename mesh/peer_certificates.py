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
    """The connections of the channel that was opened last in this process."""

    def __init__(self) -> None:
        self._channel = _newest_channel()
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


def _newest_channel() -> str:
    """Ids only grow."""
    newest, is_end = 0, False
    while not is_end:
        page = json.loads(cygrpc.channelz_get_top_channels(newest + 1))
        newest = max((newest, *(int(one["ref"]["channelId"]) for one in page.get("channel", ()))))
        is_end = page.get("end", False) or not page.get("channel")
    return str(newest)


def _ask(function: Callable[[int], bytes], number: str) -> dict[str, Any]:
    """What channelz says; nothing of what has gone."""
    try:
        return dict(json.loads(function(int(number))))
    except ValueError:
        return {}
