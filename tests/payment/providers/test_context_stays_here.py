"""Providers and receivers of messages get no trace of ours, and no baggage of a client's."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"
#: Calls Stripe and a receiver of webhooks within a span, as payment_svc does.
WORK = f"""
import asyncio, contextlib, sys
from mesh import calls, tracing
tracing.configure("payment", {{"TRACES_FILE": sys.argv[2]}})
from payment_svc.http import open_client
from payment_svc.providers.stripe import StripeProvider

async def main():
    stripe = StripeProvider("sk_test_1", "whsec_1", api_base=sys.argv[1], timeout=3)
    with calls.background(), tracing.span("outer", "server", parent="00-{TRACE}-b7ad6b7169203331-01"):
        with contextlib.suppress(Exception), tracing.span("inner", "client"):
            await stripe.retrieve_intent("pi_1")
        async with open_client(3) as http:
            await http.post(sys.argv[1], content=b"x")
    await stripe.close()

asyncio.run(main())
"""


async def test_what_leaves_the_mesh_says_nothing_of_its_trace(tmp_path: Path) -> None:
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 404 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORK, url, str(tmp_path / "spans"))
        assert await process.wait() == 0
    assert TRACE in (tmp_path / "spans").read_text()
    assert [head.split()[:2] for head in heads] == [["get", "/v1/payment_intents/pi_1"], ["post", "/"]]
    for word in ("traceparent", "tracestate", "baggage", TRACE):
        assert not any(word in head for head in heads)
