"""/healthz: this process lives. /readyz: every service is SERVING, asked at once and not too often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from grpc_health.v1 import health_pb2_grpc

from bff.app import build
from bff.http.health import Readiness
from bff.peers import Peers
from bff.settings import Settings
from mesh.identity import ServiceTokenFile

ALL = dict.fromkeys(("availability", "booking", "learning", "payment", "session"), "SERVING")


async def eventually(check: Callable[[], Any], within: float = 5.0) -> None:
    end = time.monotonic() + within
    while not await check():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.02)


async def test_healthz_answers_while_the_process_lives(http: httpx.AsyncClient) -> None:
    answer = await http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_readyz_names_every_service(http: httpx.AsyncClient) -> None:
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "services": ALL})


async def test_a_service_that_stops_serving_or_goes_away_makes_the_mesh_not_ready(
    make_peer: Callable[..., Any],
    script: Any,
    edge_settings: Settings,
    service_token_file: Path,
    verifier: Any,
) -> None:
    own = make_peer("session", script)
    await own.start()
    settings = edge_settings.model_copy(update={"session_address": f"127.0.0.1:{own.port}"})
    async with Peers(settings, ServiceTokenFile(service_token_file)) as peers:
        transport = httpx.ASGITransport(app=build(peers, verifier))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:

            async def session_is(status: int, *words: str) -> bool:
                began = time.monotonic()
                answer = await client.get("/readyz")
                assert time.monotonic() - began < 2
                assert {**answer.json()["services"], "session": "SERVING"} == ALL
                return answer.status_code == status and answer.json()["services"]["session"] in words

            await eventually(lambda: session_is(200, "SERVING"))
            for name, word in (("database.writes", "WRITES_FAIL"), ("database", "DATABASE_AWAY")):
                own.set_status(name, False)
                await eventually(lambda word=word: session_is(503, word))
                own.set_status(name, True)
            await eventually(lambda: session_is(200, "SERVING"))
            await own.set_health(False)
            await eventually(lambda: session_is(503, "NOT_SERVING", "UNREACHABLE"))
            await own.stop()
            await eventually(lambda: session_is(503, "UNREACHABLE"))
            back = make_peer("session", script, own.port)
            await back.start()
            await eventually(lambda: session_is(200, "SERVING"))
            await back.stop()


async def test_many_readyz_requests_at_once_ask_each_service_once(peers: Peers, monkeypatch: Any) -> None:
    asked = []

    class Counting(health_pb2_grpc.HealthStub):
        def __init__(self, channel: Any) -> None:
            asked.append(channel)
            super().__init__(channel)

    monkeypatch.setattr(health_pb2_grpc, "HealthStub", Counting)
    monkeypatch.setattr("bff.http.health.CACHE_SECONDS", 60)
    readiness = Readiness(peers.channels)
    answers = await asyncio.gather(*(readiness.report(None) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == len(ALL)
