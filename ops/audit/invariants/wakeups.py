"""I5: no saga is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ops.audit.records import PARKED
from ops.audit.snapshot import Breach, Snapshot

#: How late a wake-up is a breach. The engine takes one within seconds, and clocks may differ by minutes.
OVERDUE = timedelta(minutes=5)


def find_forgotten_sagas(snapshot: Snapshot) -> Iterator[Breach]:
    """I5: every saga has ended, or has a next wake-up, or is PARKED with a reason."""
    for saga in snapshot.sagas:
        if saga.state == PARKED and not saga.error:
            do = f"look at `tutormesh saga show {saga.id}`"
            yield Breach("I5", (saga.id,), f"saga {saga.id} is parked without a reason", do)
        if saga.is_open and saga.wake_at is None:
            do = f"wake it: `tutormesh saga retry {saga.id}`"
            yield Breach("I5", (saga.id,), f"saga {saga.id} is {saga.state} and will never wake", do)
        if saga.is_open and saga.wake_at is not None and saga.wake_at < snapshot.taken_at - OVERDUE:
            what = f"saga {saga.id} is {saga.state} and its wake-up at {saga.wake_at:%Y-%m-%dT%H:%M:%SZ} was missed"
            yield Breach("I5", (saga.id,), what, "is a payment_svc running that knows this kind and version of saga?")
