"""A spool finds what a snapshot of the same records finds, and holds few of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from typing import Any

import pytest

from ops.audit import spool as module
from ops.audit.invariants import find_breaches
from ops.audit.snapshot import Snapshot
from ops.audit.spool import FIELDS, Record, Spool
from tests.ops.snapshots import NOW, SESSION, refunded, sold, unsold


def records_of(snapshot: Snapshot) -> Iterator[Any]:
    for name in FIELDS.values():
        yield from getattr(snapshot, name)


def spooled(*snapshots: Snapshot) -> Spool:
    spool = Spool(NOW)
    for snapshot in snapshots:
        spool.add(records_of(snapshot))
    return spool


def numbered(snapshot: Snapshot, number: int) -> Snapshot:
    """The same purchase with ids of its own."""

    def renamed(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return value
        if isinstance(value, tuple):
            return tuple(map(renamed, value))
        if not hasattr(value, "__dataclass_fields__"):
            return value
        changes = {
            field.name: f"{old} {number}"
            if isinstance(old := getattr(value, field.name), str) and old
            else renamed(old)
            for field in fields(value)
            if field.init and (field.name == "id" or field.name.endswith("_id") or field.name in ("refunds", "cancels"))
        }
        return replace(value, **changes)

    return Snapshot(snapshot.taken_at, **{name: renamed(getattr(snapshot, name)) for name in FIELDS.values()})


@pytest.mark.parametrize("whole", [sold(), unsold(), refunded()], ids=["sold", "unsold", "refunded"])
def test_it_finds_what_a_snapshot_finds_whichever_record_is_missing(whole: Snapshot) -> None:
    for name in FIELDS.values():
        for place in range(len(getattr(whole, name))):
            kept = getattr(whole, name)
            broken = replace(whole, **{name: kept[:place] + kept[place + 1 :]})
            with closing(spooled(broken)) as spool:
                assert set(spool.find_breaches()) == set(find_breaches(broken)), (name, place)
    with closing(spooled(whole)) as spool:
        assert (spool.find_breaches(), spool.counts()) == ([], whole.counts())


def test_a_breach_in_one_of_many_old_purchases_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 10)
    broken = numbered(replace(unsold(), sessions=(SESSION,)), 40)
    parts = [numbered(sold(), number) for number in range(40)] + [broken] + [numbered(sold(), 50)]
    with closing(spooled(*parts)) as spool:
        assert set(spool.find_breaches()) == set(find_breaches(broken)) != set()


def test_ten_times_the_purchases_are_looked_at_in_batches_of_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 20)  # fewer than the purchases of either
    largest = []
    for count in (40, 400):
        sizes: list[int] = []
        with closing(Spool(NOW)) as spool:
            for number in range(count):
                spool.add(records_of(numbered(sold(), number)))
            monkeypatch.setattr(spool, "_snapshot", noting(spool._snapshot, sizes))
            assert spool.find_breaches() == []
        largest.append(max(sizes))
    assert largest[0] == largest[1]


def noting(
    snapshot: Callable[[Iterable[Record]], Snapshot], sizes: list[int]
) -> Callable[[Iterable[Record]], Snapshot]:
    """`snapshot`, which notes of how many records each is."""

    def noted(records: Iterable[Record]) -> Snapshot:
        held = list(records)
        sizes.append(len(held))
        return snapshot(held)

    return noted
