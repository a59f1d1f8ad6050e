"""A breach is believed when every snapshot shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.audit.snapshot import Snapshot
from ops.audit.verdict import judge
from tests.ops.snapshots import SESSION, sold, unsold


class Snapshots:
    """Gives one snapshot after the other, and then the last one again and again."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self.snapshots, self.taken = snapshots, 0

    async def __call__(self) -> Snapshot:
        self.taken += 1
        return self.snapshots[min(self.taken, len(self.snapshots)) - 1]


LEFTOVER = replace(unsold(), sessions=(SESSION,))
OTHER = replace(unsold(), sessions=(replace(SESSION, id="other"),))


async def test_one_snapshot_is_enough_for_a_clean_mesh() -> None:
    snapshots = Snapshots(sold())
    verdict = await judge(snapshots)
    assert (verdict.breaches, snapshots.taken) == ((), 1)
    assert verdict.counted["claims"] == 3


async def test_a_breach_that_the_second_snapshot_lacks_was_work_in_flight() -> None:
    snapshots = Snapshots(LEFTOVER, sold())
    assert ((await judge(snapshots, pauses=(0, 0, 0))).breaches, snapshots.taken) == ((), 2)


async def test_a_different_breach_in_each_snapshot_is_work_in_flight_too() -> None:
    assert (await judge(Snapshots(LEFTOVER, OTHER), pauses=(0,))).breaches == ()


@pytest.mark.parametrize("pauses", [(0,), (0, 0, 0)])
async def test_a_breach_that_every_snapshot_shows_is_reported(pauses: tuple[float, ...]) -> None:
    snapshots = Snapshots(LEFTOVER)
    verdict = await judge(snapshots, pauses)
    assert [breach.ids for breach in verdict.breaches] == [("saga", "session")]
    assert snapshots.taken == 1 + len(pauses)
