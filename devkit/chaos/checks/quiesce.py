"""The end of a run: no more faults, and then the mesh has to quiesce without an operator. The audit follows."""

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

from devkit.chaos.checks.recovery_times import Recovery, RecoveryTimes, measure_recoveries
from devkit.chaos.faults import FaultInjector
from devkit.chaos.ledger import Ledger, PendingRefund
from devkit.chaos.mesh import Mesh
from devkit.processes.child import python
from devkit.readiness import wait_until_ready

READY_SECONDS, QUIESCE_SECONDS, COMMAND_SECONDS = 60.0, 180.0, 120.0
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
class Ending:
    """How a run ended. `seconds` is the time until the mesh quiesced."""

    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    claimed_again: int = 0
    recoveries: RecoveryTimes = field(default_factory=RecoveryTimes)
    audit: str = ""


async def stop_faults(injector: FaultInjector, control: httpx.AsyncClient, mesh: Mesh, ledger: Ledger) -> None:
    """End all faults: clear the sandbox's, pay pending refunds out, and wait until every service answers again."""
    async with asyncio.timeout(READY_SECONDS):
        while not await _calm_sandbox(injector, control, ledger):  # noqa: ASYNC110 - HTTP has no event for it
            await asyncio.sleep(0.2)
        await wait_until_ready(mesh.layout.port("bff"))


async def _calm_sandbox(injector: FaultInjector, control: httpx.AsyncClient, ledger: Ledger) -> bool:
    """Clear the sandbox's faults. False when the sandbox was dead, so that it has to be done again."""
    try:
        (await control.delete("/_sandbox/faults")).raise_for_status()
        pending = [refund for refund in (await fetch_state(control))["refunds"] if refund["status"] == "pending"]
    except httpx.TransportError:
        return False
    are_paid = [await _pay_out(injector, refund, ledger) for refund in pending]
    return all(are_paid) and await injector.post_control("/_sandbox/webhooks", mode="normal", delay_ms=0)


async def _pay_out(injector: FaultInjector, refund: Mapping[str, Any], ledger: Ledger) -> bool:
    if not await injector.post_control(f"/_sandbox/refunds/{refund['id']}", status="succeeded"):
        return False
    ledger.pending_refunds.append(PendingRefund(refund["metadata"].get("sagaId", ""), refund["created"], time.time()))
    return True


async def fetch_state(control: httpx.AsyncClient) -> Any:
    """The sandbox's whole state."""
    return (await control.get("/_sandbox/state")).json()


async def wait_until_quiescent(mesh: Mesh, control: httpx.AsyncClient, ledger: Ledger) -> Ending:
    """Wait until no saga, event, refund or delivery is open. What is still open at the deadline is a finding."""
    ending, began = Ending(), time.monotonic()
    connection = await asyncpg.connect(mesh.database("payment"), timeout=10)
    try:
        left = await _wait_and_list_open(connection, control)
        ending.seconds = time.monotonic() - began
        for what in left[:20]:
            ledger.add_finding(f"not quiescent after {QUIESCE_SECONDS:.0f} s: {what}")
        for row in await connection.fetch(_OPEN_IDS, MOST_SHOWN):
            ledger.add_finding((await run_command(mesh, "saga", "show", row["id"]))[1])
        await _measure(connection, ledger, ending)
    finally:
        await connection.close(timeout=5)
    return ending


async def _wait_and_list_open(connection: asyncpg.Connection, control: httpx.AsyncClient) -> list[str]:
    deadline = time.monotonic() + QUIESCE_SECONDS
    while True:
        left = [row["what"] for row in await connection.fetch(_OPEN)]
        queued = (await fetch_state(control))["webhooks"]["queued"]
        if queued:
            left.append(f"{queued} webhooks are not delivered")
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(1)


async def _measure(connection: asyncpg.Connection, ledger: Ledger, ending: Ending) -> None:
    for row in await connection.fetch(_STATES):
        ending.states[f"{row['kind'].removesuffix('Saga')} {row['state']}"] = row["number"]
    ending.claimed_again = await connection.fetchval(_AGAIN)
    recoveries = []
    for takeover in ledger.takeovers:
        row = await connection.fetchrow(_NEXT_MOVE, takeover.saga, takeover.killed_at)
        if row is not None:
            recoveries.append(Recovery(takeover, row["purchase"], row["moved_at"]))
    ending.recoveries = measure_recoveries(recoveries, ledger.pending_refunds)


async def run_audit(mesh: Mesh, ledger: Ledger) -> str:
    """Run `tutormesh audit`, and return its result in one line. Each breach is a finding."""
    code, output = await run_command(mesh, "audit", "--full", "--json")
    if code not in (0, 1):
        ledger.add_finding(f"tutormesh audit ended with {code}: {output}")
        return "no verdict"
    verdict = json.loads(output)
    for breach in verdict["breaches"]:
        ledger.add_finding(f"audit {breach['invariant']}: {breach['what']} (do: {breach['do']})")
    counted = ", ".join(f"{number} {kind}" for kind, number in verdict["counted"].items())
    return f"{'clean' if verdict['clean'] else str(len(verdict['breaches'])) + ' breaches'}: {counted}"


async def run_command(mesh: Mesh, *arguments: str) -> tuple[int, str]:
    """Run a `tutormesh` command as an operator does. Returns its exit code and its output."""
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
