"""Two payment_svc at the default settings: what one leaves, the other finishes; what one says too late is not heard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from devkit.processes.child import Child
from tests.replicas.processes import Processes, Wish, lesson_time, owner_pid, until

LEASE = timedelta(seconds=4)
TAKEOVER = timedelta(seconds=5)
INTENTS, REFUNDS = "/v1/payment_intents", "/v1/refunds"


async def fault(mesh: Processes, path: str, method: str = "POST", times: int = 1) -> None:
    """Stripe executes, and does not answer: whoever asked is in the middle of it for three seconds."""
    await mesh.sandbox("POST", "faults", method=method, path=path, fault="timeout_after", times=times)


@contextlib.asynccontextmanager
async def asking(mesh: Processes, wish: Wish) -> AsyncIterator[asyncio.Task[Any]]:
    """Within, the student's request is under way; it ends in a booking or a typed wish to try again."""
    request = asyncio.create_task(mesh.book(wish))
    try:
        yield request
    finally:
        await request


async def opening(mesh: Processes, wish: Wish) -> Any:
    """The saga while its owner waits for the answer to a PaymentIntent that exists."""
    saga = await until(lambda: mesh.saga_of(wish))
    await until(lambda: mesh.of_saga("payment_intents", saga["id"]))
    return await mesh.saga_of(wish)


async def giving_back(mesh: Processes, wish: Wish) -> Any:
    """The saga while its owner waits for the answer to a refund that exists."""
    booked = await mesh.insist(wish)
    await mesh.underpay(booked["paymentIntentId"])
    saga = await mesh.until_state(wish, "COMPENSATING")
    await until(lambda: mesh.of_saga("refunds", saga["id"]))
    return await mesh.saga_of(wish)


async def killed_for_good(mesh: Processes, pid: int) -> Child:
    """Kill -9, and not started again until the caller does."""
    child = mesh.replica(pid)
    child.stops = (signal.SIGKILL,)
    await child.stop(5)
    return child


async def taken_over(mesh: Processes, wish: Wish, before: Any) -> Any:
    """The row as the next owner has made it, and when it was taken at the latest, by the database's clock."""
    saga = await until(lambda: mesh.saga_of(wish), lambda row: row["fence"] != before["fence"])
    leased = saga["lease_until"] - LEASE if saga["lease_until"] else saga["seen_at"]
    return saga, min(leased, saga["seen_at"])


async def ends_once(mesh: Processes, wish: Wish, saga_id: Any) -> None:
    """Retried by its student it is one booking with one intent, paid once, and a lesson."""
    booked = await mesh.insist(wish)
    (intent,) = await mesh.of_saga("payment_intents", saga_id)
    assert booked["paymentIntentId"] == intent["id"]
    await mesh.pay(intent["id"])
    await mesh.until_state(wish, "COMPLETED")


Middle = Callable[[Processes, Wish], Awaitable[Any]]


@pytest.mark.parametrize(
    ("path", "middle", "state", "end"),
    [
        (INTENTS, opening, "AWAITING_AVAILABILITY", "AWAITING_PAYMENT"),
        (REFUNDS, giving_back, "COMPENSATING", "REFUNDED"),
    ],
    ids=["opening", "giving back"],
)
async def test_a_saga_whose_owner_was_killed_is_resumed_by_the_other_replica_in_under_five_seconds(
    mesh: Processes, path: str, middle: Middle, state: str, end: str, record_property: Callable[[str, object], None]
) -> None:
    wish = Wish(await mesh.tutor(), lesson_time())
    await fault(mesh, path)
    request = mesh.book(wish) if middle is opening else asyncio.sleep(0)
    asked = asyncio.create_task(request)
    saga = await middle(mesh, wish)
    pid = owner_pid(saga)
    assert saga["state"] == state
    at = (await mesh.sql("payment", "select clock_timestamp() as at"))[0]["at"]
    child = await killed_for_good(mesh, pid)
    try:
        resumed, taken_at = await taken_over(mesh, wish, saga)
        record_property("takeover_seconds", (taken_at - at).total_seconds())
        print(f"taken over {(taken_at - at).total_seconds():.2f} s after the kill")
        assert taken_at - at < TAKEOVER
        assert resumed["lease_owner"] is None or owner_pid(resumed) != pid
        await mesh.until_state(wish, end)
        await asked
        assert len(await mesh.of_saga("payment_intents", saga["id"])) == 1
        assert len(await mesh.of_saga("refunds", saga["id"])) == (middle is giving_back)
        if middle is opening:
            await ends_once(mesh, wish, saga["id"])
    finally:
        child.start()
    assert (await mesh.audit())["breaches"] == []


async def test_a_drive_that_lasts_renews_its_lease_each_second(mesh: Processes) -> None:
    wish = Wish(await mesh.tutor(), lesson_time())
    await fault(mesh, INTENTS)
    await fault(mesh, INTENTS, method="GET", times=5)  # nor to the look that follows (reconcile's too): six seconds
    async with asking(mesh, wish):
        saga = await opening(mesh, wish)
        terms = [saga["lease_until"]]

        async def look() -> Any:
            row = await mesh.saga_of(wish)
            if row["lease_until"] not in (terms[-1], None):
                terms.append(row["lease_until"])
            assert row["lease_until"] is None or row["lease_until"] > row["seen_at"]
            return row

        rested = await until(look, lambda row: row["lease_until"] is None)
        await mesh.sandbox("DELETE", "faults")
    assert rested["fence"] == saga["fence"]
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(terms)]
    print("renewed after", [round(gap, 2) for gap in gaps])
    assert len(gaps) >= 4
    assert 1.9 < gaps[0] < 3 and all(0.5 < gap < 2 for gap in gaps[1:])
    await ends_once(mesh, wish, saga["id"])


async def test_a_stalled_owners_late_write_changes_nothing(mesh: Processes) -> None:
    wish = Wish(await mesh.tutor(), lesson_time())
    await fault(mesh, INTENTS)
    async with asking(mesh, wish):
        saga = await opening(mesh, wish)
        pid = owner_pid(saga)
        name = mesh.replica(pid).name
        os.kill(pid, signal.SIGSTOP)
        try:
            await taken_over(mesh, wish, saga)
            rested = await mesh.until_state(wish, "AWAITING_PAYMENT")
            told = await events(mesh, saga["id"])
        finally:
            os.kill(pid, signal.SIGCONT)
    await until(lambda: said(mesh, name, "fence_lost"))
    now = await mesh.saga_of(wish)
    changeable = {"seen_at", "news", "wake_at"}
    assert {k: v for k, v in now.items() if k not in changeable} == {
        k: v for k, v in rested.items() if k not in changeable
    }
    assert await events(mesh, saga["id"]) == told
    assert rested["fence"] == saga["fence"] + 1
    await ends_once(mesh, wish, saga["id"])
    assert (await mesh.audit())["breaches"] == []


async def events(mesh: Processes, saga_id: Any) -> list[Any]:
    return await mesh.sql("payment", "select * from saga_event where saga_id = $1 order by seq", saga_id)


async def said(mesh: Processes, name: str, word: str) -> int:
    return mesh.said(name, word)
