"""How long anybody waits: for a saga, for a peer's answer, for the drives of a process that ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
import stamina

from mesh import calls
from mesh.errors import CallFailed, TryAgain
from payment_svc import peers
from payment_svc.engine import engine
from payment_svc.engine.engine import Engine
from payment_svc.peers import MOST_PAUSE_SECONDS, TRIES, call_peer


class LeasedElsewhere:
    """A store whose saga another process drives, for ever."""

    async def get(self, saga_id: UUID) -> Any:
        return SimpleNamespace(id=saga_id, kind="any", version=1, state="AWAITING_AVAILABILITY", is_leased=True)


class NeverAnswers:
    """A peer of which nobody knows what it did."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []

    async def __call__(self) -> None:
        self.asked_at.append(asyncio.get_running_loop().time())
        raise CallFailed(grpc.StatusCode.UNAVAILABLE, "lost")


def engine_over(store: Any) -> Engine:
    return Engine(store, (), lease_seconds=4)


async def test_who_has_no_deadline_waits_half_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_WAITING_SECONDS", 0.3)
    with pytest.raises(TryAgain):
        await asyncio.wait_for(engine_over(LeasedElsewhere()).wait_until(uuid4(), lambda row: False), 5)


async def test_who_has_no_deadline_waits_for_a_run_half_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_WAITING_SECONDS", 0.1)
    driving: Any = engine_over(LeasedElsewhere())
    monkeypatch.setattr(driving, "_run_in_background", lambda saga: asyncio.sleep(60))
    saga: Any = SimpleNamespace(id=uuid4())
    driving.start(saga)
    with pytest.raises(TryAgain):
        await asyncio.wait_for(driving.wait_until(saga.id, lambda row: False), 5)
    await driving.drain(0)


async def test_a_drain_ends_the_runs_that_newer_ones_have_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    driving: Any = engine_over(LeasedElsewhere())
    monkeypatch.setattr(driving, "_run_in_background", lambda saga: asyncio.sleep(60))
    saga: Any = SimpleNamespace(id=uuid4())
    older, newer = driving.start(saga), driving.start(saga)
    await driving.drain(0)
    assert older.cancelled()
    assert newer.cancelled()


@pytest.fixture
def with_tries() -> Any:
    was_active = stamina.is_active()
    stamina.set_active(True)
    yield
    stamina.set_active(was_active)


@pytest.mark.usefixtures("with_tries")
async def test_a_lost_call_is_tried_three_times_with_pauses_between_nothing_and_the_most() -> None:
    peer = NeverAnswers()
    with pytest.raises(CallFailed):
        await call_peer(peer)
    pauses = [later - sooner for sooner, later in zip(peer.asked_at, peer.asked_at[1:], strict=False)]
    assert len(pauses) == TRIES - 1
    assert all(0 <= pause <= MOST_PAUSE_SECONDS + 0.3 for pause in pauses)


@pytest.mark.usefixtures("with_tries")
async def test_a_lost_call_is_not_tried_again_behind_the_callers_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = NeverAnswers()
    monkeypatch.setattr(peers, "TRIES", 1000)
    started = asyncio.get_running_loop().time()
    with calls.deadline(0.5), pytest.raises(CallFailed):
        await call_peer(peer)
    assert asyncio.get_running_loop().time() - started < 0.5 + MOST_PAUSE_SECONDS + 0.5
