"""BatchGetSessions returns the caller's sessions, with one statement."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mesh.errors import BadInput
from tutormesh.session.v1 import session_pb2 as pb


async def get_many(stub: Any, *session_ids: str) -> dict[str, pb.Session]:
    reply = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=session_ids), timeout=10)
    return {session.id: session for session in reply.sessions}


async def test_a_batch_returns_each_session_as_a_single_read_does(mesh: Any, session_request: Any) -> None:
    me = str(uuid4())
    made = [(await mesh.create(session_request(tutor_id=me))) for _ in range(3)]
    ids = [session.id for session in made]
    assert await get_many(mesh.tutor(me), *ids, *ids) == {one.id: one for one in made}


async def test_a_batch_leaves_out_what_its_reader_may_not_see(mesh: Any, session_request: Any) -> None:
    mine, taught, anothers, never = (session_request() for _ in range(4))
    me = mine.student_id
    taught.tutor_id = me
    for request in (mine, taught, anothers):
        await mesh.create(request)
    await mesh.cancel(never)  # a tombstone
    asked = [request.session_id for request in (mine, taught, anothers, never)] + [str(uuid4())]
    assert set(await get_many(mesh.student(me), *asked)) == set(asked[:2])
    for stub in (mesh.bff, mesh.ops, mesh.stub("bff", "admin")):
        assert set(await get_many(stub, *asked)) == set(asked[:3])


async def test_an_empty_batch_is_empty(mesh: Any) -> None:
    assert await get_many(mesh.bff) == {}


@pytest.mark.parametrize(
    ("ids", "field"),
    [([str(uuid4()), "'; drop table session; --"], "session_ids[1]"), ([str(uuid4())] * 201, "session_ids")],
    ids=["not-an-id", "too-many"],
)
async def test_a_bad_batch_names_its_field(mesh: Any, ids: list[str], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await get_many(mesh.bff, *ids)
    assert refused.value.field == field
