"""A breach is believed when every look finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.audit.snapshot import Snapshot
from ops.audit.verdict import judge
from tests.ops.snapshots import SESSION, sold, unsold


class Looks:
    """Gives one snapshot after the other, the last one again and again."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self.snapshots, self.taken = snapshots, 0

    async def __call__(self) -> Snapshot:
        self.taken += 1
        return self.snapshots[min(self.taken, len(self.snapshots)) - 1]


LEFTOVER = replace(unsold(), sessions=(SESSION,))
OTHER = replace(unsold(), sessions=(replace(SESSION, id="other"),))


async def test_a_clean_mesh_is_looked_at_once() -> None:
    looks = Looks(sold())
    verdict = await judge(looks)
    assert (verdict.breaches, looks.taken) == ((), 1)
    assert verdict.counted["claims"] == 3


async def test_what_is_gone_at_the_second_look_was_in_flight() -> None:
    looks = Looks(LEFTOVER, sold())
    assert ((await judge(looks, pauses=(0, 0, 0))).breaches, looks.taken) == ((), 2)


async def test_another_breach_at_each_look_is_in_flight_too() -> None:
    assert (await judge(Looks(LEFTOVER, OTHER), pauses=(0,))).breaches == ()


@pytest.mark.parametrize("pauses", [(0,), (0, 0, 0)])
async def test_what_every_look_finds_is_a_breach(pauses: tuple[float, ...]) -> None:
    looks = Looks(LEFTOVER)
    verdict = await judge(looks, pauses)
    assert [breach.ids for breach in verdict.breaches] == [("saga", "session")]
    assert looks.taken == 1 + len(pauses)
