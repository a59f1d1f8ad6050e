"""The audit as an assertion: whatever was done to a world, once it has come to rest every invariant holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ops.audit.command import audit_mesh
from ops.audit.snapshot import Breach
from ops.audit.verdict import Verdict
from ops.peers import SERVICES, NoAnswer, Peers, open_peers
from tests.people import wait_until
from tests.world import World

BUSY = """
    select kind, id::text, state, error::text from saga where wake_at is not null and state <> 'AWAITING_PAYMENT'
    union all
    select type, id, status, error from stripe_event where status in ('NEWS', 'INBOX')
"""
#: What a test may move to let time pass; no invariant looks at it.
TIME = frozenset({"expires_at", "hold_ends", "wake_at", "lease_until", "created_at", "state_since", "updated_at"})
#: Everything that hangs on the ids of a saga's row.
ABOUT = """
    select id::text, booking_id::text, session_id::text, payment_id::text, payment_intent_id from saga
    where cast(array[id, booking_id, session_id, payment_id] as text[]) && $1 or payment_intent_id = any($1)
"""


class Tampering:
    """Remembers the ids in whose rows a test wrote by SQL more than the passing of time."""

    def __init__(self, world: World) -> None:
        self.ids: set[str] = set()
        self._ask = world.sql
        world.sql = self._sql  # type: ignore[method-assign]

    async def _sql(self, service: str, statement: str, *values: Any) -> list[Any]:
        if _writes(statement):
            self.ids.update(str(value) for value in values if isinstance(value, UUID | str))
        return await self._ask(service, statement, *values)


#: Nobody needs to wait until what backs off is tried again.
HURRY = (
    "update saga set wake_at = clock_timestamp() where attempt > 0 and wake_at > clock_timestamp() and lease_until is null",
    "update stripe_event set wake_at = clock_timestamp() where status = 'INBOX' and wake_at > clock_timestamp()",
)


async def assert_clean(world: World, but_for: Iterable[str] = ()) -> None:
    """Wait for the world to rest, then audit it as the operator does. Breaches about things in `but_for` are let be."""
    for statement in HURRY:
        await world.sql("payment", statement)
    for replica in world.replicas:
        replica.app.inbox.look_now()
    await wait_until(lambda: world.sql("payment", BUSY), lambda rows: not rows)
    about = await _about(world, set(but_for))
    addresses = {name: f"127.0.0.1:{world.ports[name]}" for name in SERVICES}
    async with open_peers(addresses, world.credentials("ops")) as peers:
        verdict = await wait_until(lambda: _looked(peers), lambda found: found is not None)
    found = [breach for breach in verdict.breaches if about.isdisjoint(breach.ids)]
    assert not found, "\n".join(map(_told, found))
    assert verdict.counted["sagas"] == (await world.sql("payment", "select count(*) from saga"))[0]["count"]


async def _looked(peers: Peers) -> Verdict | None:
    """None while a service that has just come back is not found yet: channels of one process share how they fare."""
    try:
        return await audit_mesh(peers, pauses=(0.1, 0.1))  # nothing is in flight
    except NoAnswer:
        return None


async def _about(world: World, ids: set[str]) -> set[str]:
    rows = await world.sql("payment", ABOUT, sorted(ids))
    return ids.union(*(row.values() for row in rows)) - {None}


def _writes(statement: str) -> bool:
    verb, *_ = statement.split()
    if verb.lower() != "update":
        return verb.lower() in ("delete", "insert")
    assigned = statement.lower().partition(" set ")[2].partition(" where ")[0]
    return not set(re.findall(r"(?:^|,)\s*(\w+)\s*=", assigned)) <= TIME


def _told(breach: Breach) -> str:
    return f"{breach.invariant}: {breach.what}"
