"""A small DNS server. The test says which addresses a name has, and may let the server fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dnslib import QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer


class Names(BaseResolver):
    """Answers on a free port of 127.0.0.1. The time to live of its answers is that of a cluster's headless service."""

    TTL_SECONDS = 5

    def __init__(self) -> None:
        self._addresses: dict[str, list[str]] = {}
        self.fails = False
        self.asked = 0
        self._port = 0

    @classmethod
    @contextlib.contextmanager
    def serving(cls) -> Iterator[Names]:
        names = cls()
        server = DNSServer(names, address="127.0.0.1", port=0, logger=DNSLogger("-request,-reply,-truncated,-error"))
        names._port = server.server.server_address[1]
        server.start_thread()
        try:
            yield names
        finally:
            server.stop()
            server.server.server_close()

    def set(self, name: str, *addresses: str) -> None:
        """From now on the name has these addresses."""
        self._addresses[name] = [*addresses]

    def target(self, name: str, port: int) -> str:
        """What an address setting says, so that gRPC asks this server."""
        return f"dns://127.0.0.1:{self._port}/{name}:{port}"

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        self.asked += 1
        reply = request.reply()
        found = self._addresses.get(str(request.q.qname).rstrip("."))
        if self.fails:
            reply.header.rcode = RCODE.SERVFAIL
        elif found is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype == QTYPE.A:
            for address in found:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=self.TTL_SECONDS))
        return reply
