"""Audit more than once before a breach is believed: records of work in flight need not agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from ops.audit.invariants import find_breaches
from ops.audit.snapshot import Breach, OpenMatter

#: Seconds before each further snapshot; two seconds in all.
PAUSES = (0.5, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The breaches that every snapshot shows.

    The counts and the open matters are those of the last one, which began at `looked_at`.
    """

    looked_at: datetime
    counted: dict[str, int]
    breaches: tuple[Breach, ...]
    open_matters: tuple[OpenMatter, ...] = ()


class Look(Protocol):
    """What was read at about one time: a snapshot, or a spool."""

    @property
    def taken_at(self) -> datetime: ...
    @property
    def open_matters(self) -> tuple[OpenMatter, ...]: ...
    def counts(self) -> dict[str, int]: ...


L = TypeVar("L", bound=Look)


async def judge(
    take_snapshot: Callable[[], Awaitable[L]],
    pauses: Sequence[float] = PAUSES,
    find: Callable[[L], Sequence[Breach]] = find_breaches,  # type: ignore[assignment]
) -> Verdict:
    """Take snapshots, and keep the breaches that all of them show. A first snapshot without breaches is enough."""
    snapshot = await take_snapshot()
    found = find(snapshot)
    for pause in pauses:
        if not found:
            break
        await asyncio.sleep(pause)
        snapshot = await take_snapshot()
        again = set(find(snapshot))
        found = [breach for breach in found if breach in again]
    return Verdict(snapshot.taken_at, snapshot.counts(), tuple(found), snapshot.open_matters)
