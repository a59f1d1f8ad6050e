"""A proxy in the environment: our own addresses never use it, and everything else still may."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mesh import proxies
from mesh.identity import KeySet
from tests.mesh.conftest import GET, nothing, sessions
from tutormesh.session.v1 import session_pb2_grpc

NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "grpc_proxy")


@dataclass
class Listener:
    """A server that counts its connections and answers each with `body`."""

    body: bytes = b""
    connections: int = 0
    port: int = field(default=0, init=False)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readline()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Callable[..., Any]]:
    servers = []

    async def start(body: bytes = b"") -> Listener:
        listener = Listener(body)
        server = await asyncio.start_server(listener.answer, "127.0.0.1", 0)
        listener.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return listener

    yield start
    for server in servers:
        server.close()


@pytest_asyncio.fixture
async def proxy(listen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Listener:
    """A proxy that the environment names, and no word of what goes around it."""
    listener = await listen()
    for name in NAMES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return listener


async def test_a_call_of_a_peer_goes_around_the_proxy(proxy: Listener, start_server: Any, open_channel: Any) -> None:
    server = await start_server(sessions(nothing))
    await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(GET, timeout=5)
    assert proxy.connections == 0


async def test_the_issuers_keys_and_http_on_this_machine_go_around_the_proxy(
    proxy: Listener, listen: Callable[..., Any], keys_folder: Path, token_signer: Any
) -> None:
    issuer = await listen((keys_folder / "jwks.json").read_bytes())
    proxies.bypass()
    assert (await KeySet(f"http://127.0.0.1:{issuer.port}/jwks.json").key(token_signer.kid)).key_id == token_signer.kid
    async with httpx.AsyncClient() as http:
        for host in ("127.0.0.1", "localhost"):
            assert (await http.get(f"http://{host}:{issuer.port}/")).json() == json.loads(issuer.body)
    assert proxy.connections == 0


async def test_what_leaves_the_machine_uses_the_proxy(proxy: Listener) -> None:
    proxies.bypass()
    async with httpx.AsyncClient() as http:
        assert (await http.get("http://elsewhere.invalid/")).status_code == 200
    assert proxy.connections == 1


async def test_a_hosts_own_stand_in_for_stripe_goes_around_it_too(proxy: Listener) -> None:
    proxies.bypass("sandbox")
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("http://sandbox:9/")
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "corp.example"}, "corp.example,127.0.0.1,localhost,::1"),
        ({"no_proxy": "a, b", "NO_PROXY": "b,localhost"}, "a,b,localhost,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_what_the_user_excepts_stays(given: dict[str, str], expected: str) -> None:
    environ = dict(given)
    proxies.bypass(environ=environ)
    proxies.bypass(environ=environ)
    assert environ == {"no_proxy": expected, "NO_PROXY": expected}


def test_which_variables_name_a_proxy_is_told_without_their_values() -> None:
    environ = {"HTTP_PROXY": "http://user:secret@proxy", "https_proxy": "", "no_proxy": "x", "PATH": "/bin"}
    assert proxies.configured(environ) == ["HTTP_PROXY"]


def test_the_health_command_goes_around_the_proxy(proxy: Listener) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "ops", "health", "127.0.0.1:9"], capture_output=True, text=True, check=False
    )
    assert (asked.returncode, asked.stderr) == (1, "127.0.0.1:9: UNAVAILABLE\n")
    assert proxy.connections == 0
