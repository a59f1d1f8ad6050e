"""Calls at once, and calls in any order: each session has one outcome, and every caller gets the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.errors import Cancelled, IllegalMove, NotFound, Refusal
from session_svc.domain import Status, check_move
from tutormesh.session.v1 import session_pb2 as pb

CONFIRMED, COMPLETED = pb.SESSION_STATUS_CONFIRMED, pb.SESSION_STATUS_COMPLETED


async def status(sql: asyncpg.Connection, request: pb.CreateConfirmedSessionRequest) -> str | None:
    return await sql.fetchval("select status from session where id = $1", request.session_id)


async def waiters(sql: asyncpg.Connection) -> int:
    return await sql.fetchval("select count(*) from pg_locks where not granted")


async def test_of_a_create_and_a_cancel_at_once_the_first_committed_row_decides(
    mesh: Any, session_request: Any, sql: Any
) -> None:
    outcomes: Counter[str] = Counter()
    for turn in range(60):
        request = session_request()
        acts = [mesh.create(request), mesh.cancel(request)]
        answers = await asyncio.gather(*(acts if turn % 2 else reversed(acts)), return_exceptions=True)
        created, cancelled = answers if turn % 2 else reversed(answers)
        assert isinstance(cancelled, pb.CancelSessionResponse)
        assert isinstance(created, Cancelled) or created.status == CONFIRMED
        outcomes[type(created).__name__] += 1
        assert await status(sql, request) == "CANCELLED"
        with pytest.raises(Cancelled):
            await mesh.create(request)
    assert outcomes.total() == 60


async def test_ten_creates_at_once_make_one_session_with_one_room(mesh: Any, session_request: Any) -> None:
    for _ in range(5):
        request = session_request()
        answers = await asyncio.gather(*(mesh.create(request) for _ in range(10)))
        assert all(answer == answers[0] for answer in answers)


async def test_a_race_of_complete_and_cancel_has_one_outcome(mesh: Any, session_request: Any, sql: Any) -> None:
    for _ in range(20):
        request = session_request(hours=-2)
        await mesh.create(request)
        acts = [mesh.complete(request), mesh.complete(request), mesh.cancel(request)]
        *completed, cancelled = await asyncio.gather(*acts, return_exceptions=True)
        if await status(sql, request) == "COMPLETED":
            assert [answer.status for answer in completed] == [COMPLETED] * 2
            assert isinstance(cancelled, IllegalMove)
        else:
            assert all(isinstance(answer, IllegalMove) for answer in completed)
            assert isinstance(cancelled, pb.CancelSessionResponse)


@pytest.mark.parametrize("decided", ["COMPLETED", "CANCELLED"])
async def test_a_write_that_waited_for_another_returns_what_that_one_committed(
    mesh: Any, session_request: Any, sql: Any, wait_until: Any, decided: str
) -> None:
    """The snapshot of the waiting statement still shows the session as movable."""
    request = session_request(hours=-2)
    await mesh.create(request)
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "update session set status = $2, completed_at = case $2 when 'COMPLETED' then clock_timestamp() end"
        " where id = $1",
        request.session_id,
        decided,
    )
    waiting = [asyncio.ensure_future(mesh.complete(request)), asyncio.ensure_future(mesh.cancel(request))]
    await wait_until(lambda: waiters(sql), 2)
    await transaction.commit()
    completed, cancelled = await asyncio.gather(*waiting, return_exceptions=True)
    if decided == "COMPLETED":
        assert completed.status == COMPLETED
        assert isinstance(cancelled, IllegalMove)
        assert cancelled.message == "a session cannot go from COMPLETED to CANCELLED"
    else:
        assert isinstance(completed, IllegalMove)
        assert completed.message == "a session cannot go from CANCELLED to COMPLETED"
        assert isinstance(cancelled, pb.CancelSessionResponse)


async def test_a_write_that_waited_for_a_new_row_sees_it(
    mesh: Any, session_request: Any, sql: Any, wait_until: Any
) -> None:
    request = session_request()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "insert into session (id, saga_id, status) values ($1, $2, 'CANCELLED')", request.session_id, request.saga_id
    )
    waiting = [asyncio.ensure_future(mesh.create(request)), asyncio.ensure_future(mesh.cancel(request))]
    await wait_until(lambda: waiters(sql), 2)
    await transaction.commit()
    created, cancelled = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(created, Cancelled)
    assert isinstance(cancelled, pb.CancelSessionResponse)


words = st.sampled_from(["CREATE", "COMPLETED", "CANCELLED"])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(words, min_size=1, max_size=5))
async def test_in_any_order_of_calls_the_record_makes_only_legal_moves(
    mesh: Any, session_request: Any, sql: Any, calls: list[str]
) -> None:
    request, expected, is_tombstone = session_request(hours=-2), None, False
    for word in calls:
        is_tombstone |= expected is None and word == "CANCELLED"
        refusal: type[Refusal] | None = None
        try:
            expected = model(expected, word, is_tombstone)
        except Refusal as refused:
            refusal = type(refused)
        assert await outcome(mesh, request, word) is refusal
        assert await status(sql, request) == expected


def model(now: Status | None, word: str, is_tombstone: bool) -> Status | None:
    """The status of a session (None: there is none) after this call."""
    if word == "CREATE":
        if now is Status.CANCELLED:
            raise Cancelled
        return now or Status.CONFIRMED
    if word == "COMPLETED" and (now is None or is_tombstone):
        raise NotFound
    return Status.CANCELLED if now is None else check_move(now, Status(word))


async def outcome(mesh: Any, request: pb.CreateConfirmedSessionRequest, word: str) -> type[Refusal] | None:
    act = {"CREATE": mesh.create, "COMPLETED": mesh.complete, "CANCELLED": mesh.cancel}[word]
    try:
        await act(request)
    except Refusal as refused:
        return type(refused)
    return None
