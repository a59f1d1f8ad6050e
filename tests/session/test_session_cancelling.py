"""A cancel that was decided before the lesson's end cancels the session, also when the completion came first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.database import Database
from mesh.errors import BadInput, IllegalMove
from session_svc.store import Store
from session_svc.worker import Completer
from tutormesh.session.v1 import session_pb2 as pb

TICK = timedelta(microseconds=1)


def end(request: pb.CreateConfirmedSessionRequest) -> datetime:
    return request.scheduled_at.ToDatetime(tzinfo=UTC) + timedelta(minutes=request.duration_minutes)


async def row(sql: asyncpg.Connection, request: pb.CreateConfirmedSessionRequest) -> asyncpg.Record | None:
    return await sql.fetchrow("select * from session where id = $1", request.session_id)


async def test_a_cancel_decided_before_the_end_cancels_a_completed_session(
    mesh: Any, session_request: Any, sql: Any, database: Database
) -> None:
    request = session_request(hours=-1.001)
    await mesh.create(request)
    await Completer(Store(database)).complete()
    assert (await row(sql, request))["status"] == "COMPLETED"
    await mesh.cancel(request, end(request) - TICK)
    cancelled = await row(sql, request)
    assert (cancelled["status"], cancelled["completed_at"]) == ("CANCELLED", None)
    assert cancelled["cancel_decided_at"] == end(request) - TICK
    await mesh.cancel(request, end(request) - TICK)
    await mesh.cancel(request)
    assert await row(sql, request) == cancelled
    assert (await mesh.get(request.session_id)).status == pb.SESSION_STATUS_CANCELLED


@pytest.mark.parametrize("late", [timedelta(0), TICK, timedelta(hours=3)])
async def test_a_cancel_decided_at_or_after_the_end_does_not_cancel_a_completed_session(
    mesh: Any, session_request: Any, sql: Any, late: timedelta
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    await mesh.complete(request)
    before = await row(sql, request)
    with pytest.raises(IllegalMove, match="cannot go from COMPLETED to CANCELLED"):
        await mesh.cancel(request, end(request) + late)
    assert await row(sql, request) == before


async def test_a_session_that_is_not_completed_is_cancelled_whenever_the_cancel_was_decided(
    mesh: Any, session_request: Any, sql: Any
) -> None:
    begun, never_made = session_request(hours=-2), session_request(hours=-2)
    await mesh.create(begun)
    for request in (begun, never_made):
        await mesh.cancel(request, end(request) + TICK)
        cancelled = await row(sql, request)
        assert (cancelled["status"], cancelled["cancel_decided_at"]) == ("CANCELLED", end(request) + TICK)


async def test_a_cancel_decided_before_the_end_always_wins_against_the_completion(
    mesh: Any, session_request: Any, sql: Any
) -> None:
    for turn in range(20):
        request = session_request(hours=-2)
        await mesh.create(request)
        acts = [mesh.complete(request), mesh.cancel(request, end(request) - TICK)]
        answers = await asyncio.gather(*(acts if turn % 2 else reversed(acts)), return_exceptions=True)
        assert any(isinstance(answer, pb.CancelSessionResponse) for answer in answers)
        assert (await row(sql, request))["status"] == "CANCELLED"


async def test_a_cancel_that_waits_for_the_completion_still_wins(
    mesh: Any, session_request: Any, sql: Any, wait_until: Any
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "update session set status = 'COMPLETED', completed_at = clock_timestamp() where id = $1", request.session_id
    )
    waiting = asyncio.ensure_future(mesh.cancel(request, end(request) - TICK))
    await wait_until(lambda: sql.fetchval("select count(*) from pg_locks where not granted"), 1)
    await transaction.commit()
    await waiting
    assert (await row(sql, request))["status"] == "CANCELLED"


async def test_a_malformed_decided_at_is_refused_and_named(mesh: Any, session_request: Any) -> None:
    request = session_request()
    wanted = pb.CancelSessionRequest(
        session_id=request.session_id, saga_id=request.saga_id, decided_at=Timestamp(seconds=253402300800)
    )
    with pytest.raises(BadInput) as refused:
        await mesh.payment.CancelSession(wanted, timeout=10)
    assert refused.value.field == "decided_at"


@pytest.mark.parametrize("decided", ["scheduled_at + make_interval(mins => duration_minutes)", "null"])
async def test_the_schema_cancels_a_completed_session_only_with_an_earlier_decision(
    mesh: Any, session_request: Any, sql: Any, decided: str
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    await mesh.complete(request)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(
            f"update session set status = 'CANCELLED', completed_at = null, cancel_decided_at = {decided} where id = $1",
            request.session_id,
        )
    assert refused.value.constraint_name == "session_legal_move"


async def test_only_a_cancelled_session_has_a_decision(mesh: Any, session_request: Any, sql: Any) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(
            "update session set status = 'COMPLETED', completed_at = clock_timestamp(),"
            " cancel_decided_at = clock_timestamp() where id = $1",
            request.session_id,
        )
    assert refused.value.constraint_name == "session_decided_is_cancelled"
