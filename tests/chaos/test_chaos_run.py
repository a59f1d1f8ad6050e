"""A short run on a real mesh: people race, processes die, and everything comes to rest."""

from __future__ import annotations

import psutil

from devkit.chaos.ledger import Ledger
from devkit.chaos.matrix import SCENES
from devkit.chaos.report import Run, written
from devkit.chaos.rest import Rest
from devkit.chaos.run import run
from devkit.chaos.wares import LESSON, PLACE

QUICK = {"HOLD_MINUTES": "0.05"}
#: Its six seconds hold two kills of payment services that drive a saga, one of learning, and some of everything else.
SEED = 7954


async def test_a_short_run_finds_nothing_and_leaves_nothing_behind():
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    result = await run(seed=SEED, seconds=6, settings=QUICK, tell=lambda _: None)
    assert result.findings == (), written(result)
    assert result.rest.audit.startswith("clean: ")
    assert {view.ware for view in result.ledger.views.values()} == {LESSON, PLACE}
    assert (result.ledger.kills["payment"], result.ledger.kills["learning"]) == (2, 1)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


async def test_a_payment_service_killed_in_each_state_of_a_saga_changes_no_end():
    result = await run(seed=3, seconds=1, dying=("payment",), tell=lambda _: None)
    assert result.findings == (), written(result)
    assert [cell.split(" x ")[0] for cell in result.matrix] == [scene.name for scene in SCENES]
    assert result.ledger.kills["payment"] >= len(SCENES)


def test_what_is_found_is_told_with_the_way_to_repeat_it():
    clean = Run(5, 60.0, False, Ledger(), Rest(audit="clean: 1 sagas"))
    assert "make chaos" not in written(clean)
    found = Run(5, 60.0, True, Ledger(), Rest(audit="1 breaches"), findings=("something is wrong",))
    assert "something is wrong" in written(found)
    assert "make chaos SECONDS=60 SEED=5 FULL=1" in written(found)
