"""The end of a run: faults off, and then everything has to come to rest by itself; the operator only looks."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from devkit.chaos.faults import Faults
from devkit.chaos.ledger import Ledger, Pending
from devkit.chaos.mesh import Mesh
from devkit.chaos.pace import Pace, Recovery, paced
from devkit.processes.child import python
from devkit.readiness import wait_until_ready

READY_SECONDS, REST_SECONDS, COMMAND_SECONDS = 60.0, 180.0, 120.0
MOST_SHOWN = 5
_OPEN = """
    select 'saga ' || id || ' is ' || state || coalesce(' (' || (error ->> 'reason') || ')', '') as what
    from saga where not is_complete
    union all select 'event ' || id || ' is ' || status from stripe_event where status <> 'DONE'
    union all select 'refund ' || id || ' is ' || status from refund where status = 'PENDING'
"""
_OPEN_IDS = "select id::text from saga where not is_complete order by created_at limit $1"
_STATES = "select kind, state, count(*) as number from saga group by kind, state order by kind, state"
_AGAIN = "select count(*) from saga where fence > 1"
_NEXT_MOVE = """
    select coalesce(saga.context ->> 'purchase_id', saga.id::text) as purchase,
        extract(epoch from min(saga_event.at))::float8 as moved_at
    from saga join saga_event on saga_event.saga_id = saga.id
    where saga.id = $1::text::uuid and saga_event.at > to_timestamp($2)
    group by saga.id
"""


@dataclass(slots=True)
class Rest:
    """How a run ended."""

    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    claimed_again: int = 0
    pace: Pace = field(default_factory=Pace)
    audit: str = ""


async def calm(faults: Faults, control: httpx.AsyncClient, mesh: Mesh, ledger: Ledger) -> None:
    """Faults off, webhooks as usual, the refunds that a bank sat on paid out; every service answers again."""
    async with asyncio.timeout(READY_SECONDS):
        while not await _sandbox_is_calm(faults, control, ledger):  # noqa: ASYNC110 - the wire has no event for it
            await asyncio.sleep(0.2)
        await wait_until_ready(mesh.layout.port("bff"))


async def _sandbox_is_calm(faults: Faults, control: httpx.AsyncClient, ledger: Ledger) -> bool:
    try:
        (await control.delete("/_sandbox/faults")).raise_for_status()
        pending = [refund for refund in (await state(control))["refunds"] if refund["status"] == "pending"]
    except httpx.TransportError:
        return False
    orders = [await _paid_out(faults, refund, ledger) for refund in pending]
    return all(orders) and await faults.order("/_sandbox/webhooks", mode="normal", delay_ms=0)


async def _paid_out(faults: Faults, refund: Mapping[str, Any], ledger: Ledger) -> bool:
    if not await faults.order(f"/_sandbox/refunds/{refund['id']}", status="succeeded"):
        return False
    ledger.pendings.append(Pending(refund["metadata"].get("sagaId", ""), refund["created"], time.time()))
    return True


async def state(control: httpx.AsyncClient) -> Any:
    """Everything that the provider knows."""
    return (await control.get("/_sandbox/state")).json()


async def rested(mesh: Mesh, control: httpx.AsyncClient, ledger: Ledger) -> Rest:
    """Wait until nothing is open: sagas, events, refunds, deliveries. No command hurries them; what stays is a finding."""
    rest, began = Rest(), time.monotonic()
    connection = await asyncpg.connect(mesh.database("payment"), timeout=10)
    try:
        left = await _left_after_waiting(connection, control)
        rest.seconds = time.monotonic() - began
        for what in left[:20]:
            ledger.finds(f"not at rest after {REST_SECONDS:.0f} s: {what}")
        for row in await connection.fetch(_OPEN_IDS, MOST_SHOWN):
            ledger.finds((await command(mesh, "saga", "show", row["id"]))[1])
        await _measure(connection, ledger, rest)
    finally:
        await connection.close(timeout=5)
    return rest


async def _left_after_waiting(connection: asyncpg.Connection, control: httpx.AsyncClient) -> list[str]:
    deadline = time.monotonic() + REST_SECONDS
    while True:
        left = [row["what"] for row in await connection.fetch(_OPEN)]
        queued = (await state(control))["webhooks"]["queued"]
        if queued:
            left.append(f"{queued} webhooks are not delivered")
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(1)


async def _measure(connection: asyncpg.Connection, ledger: Ledger, rest: Rest) -> None:
    for row in await connection.fetch(_STATES):
        rest.states[f"{row['kind'].removesuffix('Saga')} {row['state']}"] = row["number"]
    rest.claimed_again = await connection.fetchval(_AGAIN)
    recoveries = []
    for orphan in ledger.orphans:
        row = await connection.fetchrow(_NEXT_MOVE, orphan.saga, orphan.killed_at)
        if row is not None:
            recoveries.append(Recovery(orphan, row["purchase"], row["moved_at"]))
    rest.pace = paced(recoveries, ledger.pendings)


async def audited(mesh: Mesh, ledger: Ledger) -> str:
    """The audit's last line; each breach is a finding, with its saga shown."""
    code, told = await command(mesh, "audit", "--json")
    if code not in (0, 1):
        ledger.finds(f"tutormesh audit ended with {code}: {told}")
        return "no verdict"
    verdict = json.loads(told)
    for breach in verdict["breaches"]:
        ledger.finds(f"audit {breach['invariant']}: {breach['what']} (do: {breach['do']})")
    counted = ", ".join(f"{number} {kind}" for kind, number in verdict["counted"].items())
    return f"{'clean' if verdict['clean'] else str(len(verdict['breaches'])) + ' breaches'}: {counted}"


async def command(mesh: Mesh, *arguments: str) -> tuple[int, str]:
    """A `tutormesh` command as the operator gives it: its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *python("ops", *arguments),
        cwd=mesh.layout.root,
        env=mesh.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 2, f"no answer in {COMMAND_SECONDS:.0f} s"
    return process.returncode or 0, (out or errors).decode().strip()
