"""The comparison with other engines is arithmetic on what each of them did in turn."""

from __future__ import annotations

from bench.engines import EngineBatch
from bench.peers.__main__ import OURS, PEERS, Turn, make_page, ratios


def _batch(engine: str, *, wall: float, p50: float, cpu: float, writes: int) -> EngineBatch:
    return EngineBatch(
        engine, 8, 100, wall, p50, p99=1.0, cpu=cpu, postgres=0.0, writes=writes, wal_bytes=100, memory=0
    )


def _turn(slowness: float) -> Turn:
    ours = _batch(OURS, wall=1.0, p50=0.01, cpu=0.5, writes=400)
    theirs = {name: _batch(name, wall=slowness, p50=0.08, cpu=4.0, writes=1100) for name in PEERS}
    return Turn({OURS: ours} | theirs)


def test_a_ratio_is_the_median_of_the_turns():
    turns = {8: [_turn(5.0), _turn(6.0), _turn(100.0)]}
    first = ratios(turns).splitlines()[2]
    assert first == "| DBOS async | 8 | 6.0× | 1/8.0 | 1/8.0 | 1/8.0 | 1/2.8 | 1/1.0 |"


def test_the_page_says_what_was_compared():
    page = make_page({8: [_turn(5.0)]}, "2 cores", "3.4.0")
    assert page.title == "The engine beside DBOS 3.4.0"
    assert "idempotent" in page.text
    assert page.plots[0].series["DBOS sync"] == [20.0]
