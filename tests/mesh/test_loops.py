"""A loop outlives the errors of its rounds. Pauses grow, have a cap and are random."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from mesh import calls, loops
from mesh.errors import CallFailed, TryAgain
from mesh.loops import back_off_seconds, doubled_pause, jitter, run_forever

LONG = 3600.0
MINUTE = 60.0


class Rounds:
    """Work whose rounds return or raise what the test lists; after the list a round never ends."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)
        self.calls: list[calls.Call] = []
        self.began, self.are_over = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> object:
        self.calls.append(calls.current())
        self.began.set()
        if not self._outcomes:
            self.are_over.set()
            await asyncio.Event().wait()
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class RecordedLog:
    """Stands in for the log, and keeps level, event name and error of each line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def __call__(self) -> RecordedLog:
        return self

    def warning(self, event: str, *, error: str) -> None:
        self.lines.append(("warning", event, error))

    def error(self, event: str, *, exc_info: Exception) -> None:
        self.lines.append(("error", event, str(exc_info)))


@pytest.fixture
def recorded_log(monkeypatch: pytest.MonkeyPatch) -> RecordedLog:
    recorded = RecordedLog()
    monkeypatch.setattr(loops, "log", recorded)
    return recorded


@pytest.fixture
async def start_loop() -> AsyncIterator[Callable[..., asyncio.Task[None]]]:
    """`start_loop(work, pause)`: the loop "tidy" in a task of its own, cancelled after the test."""
    tasks: list[asyncio.Task[None]] = []

    def start(work: Rounds, pause: float) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(run_forever("tidy", work, pause)))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until_over(rounds: Rounds) -> None:
    async with asyncio.timeout(5):
        await rounds.are_over.wait()


async def test_a_round_with_more_to_do_is_followed_by_the_next_without_a_pause(start_loop: Any):
    rounds = Rounds(True, 3)
    start_loop(rounds, LONG)
    await until_over(rounds)
    assert len(rounds.calls) == 3


@pytest.mark.parametrize(
    "outcome", [False, 0, None, TryAgain(), CallFailed(grpc.StatusCode.UNKNOWN, "odd"), KeyError("a bug")]
)
async def test_a_round_that_found_nothing_or_failed_is_followed_by_a_pause(
    start_loop: Any, recorded_log: RecordedLog, monkeypatch: pytest.MonkeyPatch, outcome: object
):
    paused = asyncio.Event()

    def tell_the_pause(seconds: float) -> float:
        assert seconds == LONG
        paused.set()
        return seconds

    monkeypatch.setattr(loops, "jitter", tell_the_pause)
    rounds = Rounds(outcome)
    start_loop(rounds, LONG)
    async with asyncio.timeout(5):
        await paused.wait()
    assert len(rounds.calls) == 1


async def test_an_error_ends_a_round_and_never_the_loop(start_loop: Any, recorded_log: RecordedLog):
    rounds = Rounds(TryAgain("away"), CallFailed(grpc.StatusCode.UNKNOWN, "odd"), KeyError("bug"))
    start_loop(rounds, 0.0)
    await until_over(rounds)
    assert [(level, event) for level, event, _ in recorded_log.lines] == [
        ("warning", "tidy_failed"),
        ("warning", "tidy_failed"),
        ("error", "tidy_crashed"),
    ]
    assert [error for *_, error in recorded_log.lines] == [
        str(TryAgain("away")),
        str(CallFailed(grpc.StatusCode.UNKNOWN, "odd")),
        str(KeyError("bug")),
    ]


async def test_a_cancel_ends_the_loop_in_a_round_and_in_a_pause(start_loop: Any):
    in_a_round, in_a_pause = Rounds(), Rounds(False)
    running, pausing = start_loop(in_a_round, LONG), start_loop(in_a_pause, LONG)
    await until_over(in_a_round)
    async with asyncio.timeout(5):
        await in_a_pause.began.wait()
    for task in (running, pausing):
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled()


async def test_each_round_is_background_work_with_a_request_id_of_its_own(start_loop: Any):
    rounds = Rounds(True)
    with calls.deadline(LONG):
        start_loop(rounds, LONG)
    await until_over(rounds)
    first, second = rounds.calls
    assert first.deadline is None and first.person is None
    assert calls.NO_CALL not in {first.request_id, second.request_id}
    assert first.request_id != second.request_id


@pytest.mark.parametrize(("attempt", "longest"), [(0, 1.0), (1, 2.0), (4, 16.0), (5, 30.0), (6, 30.0), (100_000, 30.0)])
def test_durable_work_waits_twice_as_long_each_time_and_at_most_half_a_minute(attempt: int, longest: float):
    for _ in range(200):
        assert longest / 2 <= back_off_seconds(attempt, 10 * MINUTE) <= longest


@pytest.mark.parametrize("attempt", [0, 100])
def test_durable_work_that_fails_for_ten_minutes_is_tried_every_five(attempt: int):
    for _ in range(200):
        assert 4 * MINUTE <= back_off_seconds(attempt, 10 * MINUTE + 1) <= 6 * MINUTE


def test_a_wait_doubles_from_the_first_to_the_cap():
    waits = [max(doubled_pause(attempt, 0.05, 2.0) for _ in range(500)) for attempt in range(8)]
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], rel=0.1)


def test_two_replicas_do_not_wait_equally_long():
    assert len({jitter(1.0) for _ in range(20)}) > 1
    assert all(0.8 <= jitter(1.0) <= 1.2 for _ in range(200))
