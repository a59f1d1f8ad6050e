"""What breaks: processes of this mesh, the way of the webhooks, the payment provider. And how soon another took over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence

import asyncpg
import httpx

from devkit.chaos.ledger import Ledger, Orphan
from devkit.chaos.mesh import Mesh
from devkit.chaos.plan import Blow, Kill, Provider, Trouble, Webhooks

#: How long a takeover is watched for; the lease is 4 s.
WATCH_SECONDS, WATCH_EVERY = 20.0, 0.1
AIM_SECONDS = 1.5
#: What asyncpg raises when the database dies under it.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_BUSY = "select lease_owner from saga where lease_until > clock_timestamp() order by random() limit 1"
_OWNED = "select id, fence, state from saga where lease_owner like '%:' || $1 || ':%' and not is_complete"
_STILL = "select id from saga where id = any($1::uuid[]) and fence = any($2::bigint[]) and not is_complete"


class Faults:
    """Lets blows fall, and keeps count."""

    def __init__(self, mesh: Mesh, control: httpx.AsyncClient, ledger: Ledger) -> None:
        self._mesh, self._control, self._ledger = mesh, control, ledger
        self._watches: set[asyncio.Task[None]] = set()

    async def fall(self, blows: Sequence[Blow], began: float) -> None:
        """Every blow at its time, counted from `began` on the event loop's clock."""
        for blow in blows:
            await asyncio.sleep(max(0.0, began + blow.at - asyncio.get_running_loop().time()))
            await self._fall(blow)

    async def _fall(self, blow: Blow) -> None:
        if isinstance(blow, Kill):
            aim = await self._aim() if blow.aimed else None
            self.kill(blow.program, blow.pick if aim is None else aim, blow.how)
        elif isinstance(blow, Webhooks):
            if await self.order("/_sandbox/webhooks", mode=blow.mode, delay_ms=blow.delay_ms):
                self._ledger.faults[f"webhooks {blow.mode}{' late' if blow.delay_ms else ''}"] += 1
        elif isinstance(blow, Provider):
            await self.trouble(blow.trouble)

    async def _aim(self) -> float | None:
        """Which replica of payment drives a saga now; None when none does for a while, or nobody can tell."""
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

    async def trouble(self, trouble: Trouble) -> None:
        """The provider fails in this way, as often as it says."""
        order = {"method": trouble.method, "path": trouble.path, "fault": trouble.fault, "times": trouble.times}
        if await self.order("/_sandbox/faults", **order, delay_ms=trouble.delay_ms):
            self._ledger.faults[trouble.fault] += trouble.times

    async def order(self, path: str, /, **body: object) -> bool:
        """Tell the sandbox; False when it is dead."""
        try:
            (await self._control.post(path, json=body)).raise_for_status()
        except httpx.TransportError:
            return False
        return True

    def kill(self, program: str, pick: float = 0.0, how: signal.Signals = signal.SIGKILL) -> None:
        """End a process; the launcher starts it again. Watches who takes over what it owned."""
        pid = self._mesh.kill(program, pick, how)
        if pid is None:
            return
        self._ledger.kills[program] += 1
        if program == "payment":
            task = asyncio.create_task(self._watch_takeover(pid, time.time()))
            self._watches.add(task)
            task.add_done_callback(self._watches.discard)

    async def settled(self) -> None:
        """Return when every takeover has been seen."""
        await asyncio.gather(*self._watches)

    async def _watch_takeover(self, pid: int, killed_at: float) -> None:
        with contextlib.suppress(*AWAY):
            connection = await asyncpg.connect(self._mesh.database("payment"), timeout=5)
            try:
                await self._watched(connection, pid, killed_at)
            finally:
                await connection.close(timeout=2)

    async def _watched(self, connection: asyncpg.Connection, pid: int, killed_at: float) -> None:
        rows = await connection.fetch(_OWNED, str(pid))
        left, states = {row["id"]: row["fence"] for row in rows}, {row["id"]: row["state"] for row in rows}
        while left and time.time() - killed_at < WATCH_SECONDS:
            rows = await connection.fetch(_STILL, list(left), list(left.values()))
            still = {row["id"] for row in rows}
            for saga in [saga for saga in left if saga not in still]:
                self._ledger.orphans.append(Orphan(str(saga), states[saga], killed_at, time.time() - killed_at))
                del left[saga]
            await asyncio.sleep(WATCH_EVERY)
        for saga in left:
            self._ledger.finds(f"saga {saga}: its owner was killed, nobody took it over in {WATCH_SECONDS:.0f} s")
