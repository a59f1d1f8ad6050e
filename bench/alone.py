"""The students' apps alone, and the Stripe sandbox alone: neither may be what limits the mesh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import psutil

from bench import cpu, lessons
from bench.batches import repeat, sell
from bench.mesh import ROOT
from devkit.environment import SANDBOX_KEYS, sandbox_settings
from devkit.layout import Layout
from devkit.ports import reserve_ports

STUDENTS = 8
READY_SECONDS = 20
#: So long after the last webhook there are no more.
QUIET_SECONDS = 1.0


@dataclass(frozen=True)
class Alone:
    """How many lessons one part can serve when nothing else is in its way, and its CPU seconds for all of them."""

    name: str
    count: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.count / self.wall


async def measure_alone(count: int) -> list[Alone]:
    """Both, with so many lessons each."""
    folder = ROOT / ".data" / f"bench-{os.getpid()}" / uuid4().hex[:8]
    folder.mkdir(parents=True)
    settings = {"TUTORMESH_DATA": str(folder), "TUTORMESH_PORT_BASE": str(reserve_ports())}
    layout = Layout(ROOT, settings)
    try:
        async with _running(layout, "bench.null_mesh", {}):
            apps = await _measure_apps(layout, count)
        sandbox_layout = Layout(ROOT, settings | {"TUTORMESH_PORT_BASE": str(reserve_ports())})
        webhooks = f"{layout.url('bff')}/webhooks/stripe"
        own = sandbox_settings(sandbox_layout) | {"SANDBOX_WEBHOOK_URL": webhooks}
        async with _running(layout, "bench.null_mesh", {}), _running(sandbox_layout, "devkit.sandbox", own) as process:
            return [apps, await _measure_sandbox(sandbox_layout, webhooks, process, count)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another part of the benchmark still has its data there
            folder.parent.rmdir()


async def _measure_apps(layout: Layout, count: int) -> Alone:
    me = psutil.Process()
    async with contextlib.AsyncExitStack() as stack:
        shop = await stack.enter_async_context(lessons.open_shop(layout))
        students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
        await sell(students, STUDENTS, [])  # warm
        return await _measure("the students' apps", me, sell(students, count, []))


async def _measure_sandbox(layout: Layout, webhooks: str, process: psutil.Process, count: int) -> Alone:
    """What payment_svc and an app ask of the sandbox for a lesson: an intent, and its payment. Then the webhooks go out."""
    secret, public = SANDBOX_KEYS["STRIPE_SECRET_KEY"], SANDBOX_KEYS["STRIPE_PUBLISHABLE_KEY"]
    intents = f"{layout.url('sandbox')}/v1/payment_intents"
    async with aiohttp.ClientSession(raise_for_status=True) as http:

        async def pay() -> None:
            order = {"amount": "5000", "currency": "usd", "payment_method_types[0]": "card"}
            headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": str(uuid4())}
            async with http.post(intents, data=order, headers=headers) as made:
                intent = await made.json()
            card = {"payment_method": "pm_card_visa", "client_secret": intent["client_secret"]}
            headers = {"Authorization": f"Bearer {public}"}
            async with http.post(f"{intents}/{intent['id']}/confirm", data=card, headers=headers) as paid:
                await paid.read()

        await repeat(pay, STUDENTS, STUDENTS)  # warm
        await _wait_for_webhooks(http, webhooks)
        used, began = cpu.own(process), time.perf_counter()
        await repeat(pay, STUDENTS, count)
        ended = await _wait_for_webhooks(http, webhooks)
        return Alone("the Stripe sandbox", count, ended - began, cpu.own(process) - used)


async def _wait_for_webhooks(http: aiohttp.ClientSession, url: str) -> float:
    """Wait until no more come, at most half a minute. When the last one was seen, by `perf_counter`."""
    taken, seen, end = -1, 0.0, time.perf_counter() + 30
    while time.perf_counter() < min(end, seen + QUIET_SECONDS if seen else end):
        async with http.get(url) as answer:
            more = (await answer.json())["taken"]
        if more != taken:
            taken, seen = more, time.perf_counter()
        await asyncio.sleep(0.05)
    return seen


async def _measure(name: str, process: psutil.Process, work: Awaitable[int]) -> Alone:
    used, began = cpu.own(process), time.perf_counter()
    count = await work
    return Alone(name, count, time.perf_counter() - began, cpu.own(process) - used)


@contextlib.asynccontextmanager
async def _running(layout: Layout, module: str, settings: Mapping[str, str]) -> AsyncIterator[psutil.Process]:
    """A program, which has said its first line, while inside."""
    environment = {**os.environ, **layout.settings, **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        if not await asyncio.wait_for(process.stdout.readline(), READY_SECONDS):
            raise SystemExit(f"bench: {module} does not start")
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
