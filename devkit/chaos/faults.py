"""Inject faults into processes, webhooks and the payment provider, and watch how soon sagas are taken over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence

import asyncpg
import httpx

from devkit.chaos.ledger import Ledger, Takeover
from devkit.chaos.mesh import Mesh
from devkit.chaos.plan import Fault, Kill, ProviderFailure, ProviderFault, WebhookMode

#: How long to wait for a takeover. A lease ends after 4 s.
WATCH_SECONDS, WATCH_EVERY = 20.0, 0.1
AIM_SECONDS = 1.5
#: The errors of asyncpg when the database dies.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_BUSY = "select lease_owner from saga where lease_until > clock_timestamp() order by random() limit 1"
_OWNED = "select id, fence, state from saga where lease_owner like '%:' || $1 || ':%' and not is_complete"
_STILL = "select id from saga where id = any($1::uuid[]) and fence = any($2::bigint[]) and not is_complete"


class FaultInjector:
    """Injects faults, and counts them in the ledger."""

    def __init__(self, mesh: Mesh, control: httpx.AsyncClient, ledger: Ledger) -> None:
        self._mesh, self._control, self._ledger = mesh, control, ledger
        self._watches: set[asyncio.Task[None]] = set()

    async def inject_all(self, faults: Sequence[Fault], began: float) -> None:
        """Inject every fault at its time, counted from `began` on the event loop's clock."""
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at - asyncio.get_running_loop().time()))
            await self._inject(fault)

    async def _inject(self, fault: Fault) -> None:
        if isinstance(fault, Kill):
            busy = await self._find_busy_replica() if fault.aimed else None
            self.kill(fault.program, fault.pick if busy is None else busy, fault.how)
        elif isinstance(fault, WebhookMode):
            if await self.post_control("/_sandbox/webhooks", mode=fault.mode, delay_ms=fault.delay_ms):
                self._ledger.faults[f"webhooks {fault.mode}{' late' if fault.delay_ms else ''}"] += 1
        elif isinstance(fault, ProviderFailure):
            await self.fail_provider(fault.provider_fault)

    async def _find_busy_replica(self) -> float | None:
        """The replica of payment that runs a saga now; None when none does so for a while, or the database is away."""
        owner, deadline = None, time.time() + AIM_SECONDS
        with contextlib.suppress(*AWAY):
            connection = await asyncpg.connect(self._mesh.database("payment"), timeout=5)
            try:
                while owner is None and time.time() < deadline:
                    owner = await connection.fetchval(_BUSY)
                    await asyncio.sleep(0 if owner else 0.01)
            finally:
                await connection.close(timeout=2)
        return self._mesh.replica("payment", owner)

    async def fail_provider(self, provider_fault: ProviderFault) -> None:
        """Make the next calls of the provider fail, as the fault says."""
        if await self.post_control("/_sandbox/faults", **provider_fault.body()):
            self._ledger.faults[provider_fault.kind] += provider_fault.times

    async def post_control(self, path: str, /, **body: object) -> bool:
        """Call a control route of the sandbox. False when the sandbox is dead."""
        try:
            (await self._control.post(path, json=body)).raise_for_status()
        except httpx.TransportError:
            return False
        return True

    def kill(self, program: str, pick: float = 0.0, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process, and watch who takes over its sagas. The launcher starts the process again."""
        pid = self._mesh.kill(program, pick, how)
        if pid is None:
            return
        self._ledger.kills[program] += 1
        if program == "payment":
            task = asyncio.create_task(self._watch_takeover(pid, time.time()))
            self._watches.add(task)
            task.add_done_callback(self._watches.discard)

    async def wait_for_takeovers(self) -> None:
        """Wait until every takeover was seen, or its time is over."""
        await asyncio.gather(*self._watches)

    async def _watch_takeover(self, pid: int, killed_at: float) -> None:
        with contextlib.suppress(*AWAY):
            connection = await asyncpg.connect(self._mesh.database("payment"), timeout=5)
            try:
                await self._record_takeovers(connection, pid, killed_at)
            finally:
                await connection.close(timeout=2)

    async def _record_takeovers(self, connection: asyncpg.Connection, pid: int, killed_at: float) -> None:
        rows = await connection.fetch(_OWNED, str(pid))
        left, states = {row["id"]: row["fence"] for row in rows}, {row["id"]: row["state"] for row in rows}
        while left and time.time() - killed_at < WATCH_SECONDS:
            rows = await connection.fetch(_STILL, list(left), list(left.values()))
            still = {row["id"] for row in rows}
            for saga in [saga for saga in left if saga not in still]:
                self._ledger.takeovers.append(Takeover(str(saga), states[saga], killed_at, time.time() - killed_at))
                del left[saga]
            await asyncio.sleep(WATCH_EVERY)
        for saga in left:
            self._ledger.add_finding(f"saga {saga}: its owner was killed, nobody took it over in {WATCH_SECONDS:.0f} s")
