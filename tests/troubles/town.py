"""A mesh of real processes that can be brought into trouble, with people who buy, and a Prometheus that watches."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil

from devkit.launcher import COMMANDS, Launcher
from devkit.layout import HOST, STORED
from devkit.ports import reserve_port
from tests.devkit.fake_mesh import RealMesh, run_mesh
from tests.replicas.processes import Order, Processes, lesson_time
from tests.troubles import quickened
from tests.troubles.watching import Alerts, watched

#: Somebody buys a lesson this often. Faster, and the trouble of few would be one of many: another alert's.
BUYS_EVERY_SECONDS = 5.0
#: The disk of PostgreSQL, where a test may fill it.
DISK_MEGABYTES = 768
#: Debian's libfaketime, which shows one process another time.
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
#: Whose clock can be set.
WITH_CLOCK = "session"
SECRET = "whsec_" + "dHJvdWJsZXM" * 4


class TroubledMesh(RealMesh):
    """A mesh whose processes are quickened. The clock of one of them follows a file, where libfaketime is there."""

    async def run(self) -> None:
        self.clock = self.layout.data / "clock"
        self.clock.write_text("+0")
        services = {"bff": "bff", **{program.name: program.module for program in STORED}}
        commands = COMMANDS | {name: self._command(name, module) for name, module in services.items()}
        self.launcher = Launcher(self.layout, self.console, commands)
        await self.launcher.run(self.stopping)

    def _command(self, name: str, module: str) -> list[str]:
        command = [sys.executable, quickened.__file__, module]
        if name != WITH_CLOCK or FAKETIME is None:
            return command
        faked = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": 1}
        faked |= {"FAKETIME_DONT_FAKE_MONOTONIC": 1, "FAKETIME_DISABLE_SHM": 1}
        return ["/usr/bin/env", *(f"{variable}={value}" for variable, value in faked.items()), *command]

    def processes(self, name: str) -> list[psutil.Process]:
        """A program's process with its children, which are PostgreSQL's backends."""
        (child,) = (child for child in self.launcher.children if child.name == name)
        assert child.process is not None
        parent = psutil.Process(child.process.pid)
        return [parent, *parent.children(recursive=True)]


@dataclass
class Receiver:
    """Takes the messages to people, or refuses them."""

    port: int
    status: int = 200

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
            writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % self.status)
            await writer.drain()
        writer.close()


@dataclass
class Town:
    """The mesh, its people, and who watches it."""

    acting: Processes
    mesh: TroubledMesh
    alerts: Alerts
    receiver: Receiver
    tutor: UUID
    disk: Path | None
    _hours: Iterator[int] = field(default_factory=itertools.count)
    _purchases: set[asyncio.Task[None]] = field(default_factory=set)

    def order(self) -> Order:
        """A new student's order of the tutor's next free time."""
        return Order(self.tutor, lesson_time(next(self._hours)))

    def orders(self, number: int) -> list[Order]:
        """So many of them."""
        return [self.order() for _ in range(number)]

    async def sell(self, seconds: float = 20.0) -> tuple[Order, str]:
        """A sold lesson, and its PaymentIntent."""
        order = self.order()
        intent = str((await self.acting.book_until_answered(order))["paymentIntentId"])
        await self.acting.pay(intent)
        await self.acting.until_state(order, "COMPLETED", seconds)
        return order, intent

    async def buy_forever(self) -> None:
        """Again and again somebody buys a lesson, whatever happens to the purchase before."""
        while True:
            purchase = asyncio.create_task(self._buy())
            self._purchases.add(purchase)
            purchase.add_done_callback(self._purchases.discard)
            await asyncio.sleep(BUYS_EVERY_SECONDS)

    async def _buy(self) -> None:
        with contextlib.suppress(httpx.HTTPError):  # the edge or the sandbox stands still
            booked = await self.acting.book(self.order())
            if booked is not None:
                await self.acting.pay(str(booked["paymentIntentId"]))

    async def operate(self, *command: str) -> None:
        """Run a command of the operator's."""
        own = {name: self.mesh.layout.settings[name] for name in ("TUTORMESH_DATA", "TUTORMESH_PORT_BASE")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", *command), env=dict(os.environ) | own, cwd=self.mesh.layout.root
        )
        assert await process.wait() == 0, command

    async def parked(self) -> list[Any]:
        """The sagas that wait for a person."""
        return await self.acting.sql("payment", "select id, kind from saga where state = 'PARKED'")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Within, the folder is a small disk of its own; None where we may not mount one."""
    folder.mkdir(parents=True)
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "none", str(folder)]
    if not os.environ.get("FULL") or subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)


@contextlib.asynccontextmanager
async def town_of(folder: Path) -> AsyncIterator[Town]:
    """A mesh in which people buy; with FULL=1 it has two payment_svc."""
    receiver, collector = Receiver(reserve_port()), reserve_port()
    settings = {
        "PAYMENT_REPLICAS": "2" if os.environ.get("FULL") else "1",
        "RECONCILE_SECONDS": str(60 / quickened.PACE),
        "TUTORMESH_MAIL": "off",
        "NOTIFY_WEBHOOK_URL": f"http://{HOST}:{receiver.port}/",
        "NOTIFY_WEBHOOK_SECRET": SECRET,
        "NOTIFY_GIVE_UP_HOURS": "0.0005",
        # Every span is sent to a collector that never says a word: nobody may feel it.
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{collector}",
        "OTEL_TRACES_SAMPLER": "always_on",
    }
    mesh = TroubledMesh(folder, **settings)
    (mesh.layout.data / "demo.loaded").touch()
    async with contextlib.AsyncExitStack() as stack:
        disk = stack.enter_context(small_disk(mesh.layout.data / "postgres"))
        stack.enter_context(socket.create_server((HOST, collector)))
        await stack.enter_async_context(await asyncio.start_server(receiver.answer, HOST, receiver.port))
        await stack.enter_async_context(run_mesh(mesh))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=15, trust_env=False))
        acting = Processes(mesh, http)
        await acting.connect()
        alerts = await stack.enter_async_context(watched(mesh.layout, folder / "prometheus", mesh.console))
        town = Town(acting, mesh, alerts, receiver, await acting.tutor(), disk)
        await town.sell()
        buying = asyncio.create_task(town.buy_forever())
        try:
            yield town
        finally:
            await stop(buying, *town._purchases)
            for pool in acting.pools.values():
                pool.terminate()


async def stop(*tasks: asyncio.Task[None]) -> None:
    """End these tasks. Raises what one of them has raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
