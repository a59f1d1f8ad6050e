"""BlockTime, RemoveBlock, ListClaims."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from mesh.clock import to_proto
from mesh.errors import BadInput
from tutormesh.availability.v1 import availability_pb2 as pb2

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def test_blocked_time_is_neither_listed_nor_held_until_the_block_is_removed(
    desk: Any, monday: datetime, reason: Any
):
    tutor = await desk.publish()
    (block,) = await desk.block(tutor, (monday + 9 * HOUR, monday + 12 * HOUR))
    assert await reason(desk.hold(tutor, monday + 11 * HOUR)) == "SLOT_TAKEN"
    assert await desk.slots(tutor, monday + 9 * HOUR, monday + 12 * HOUR) == []
    await desk.remove(tutor, block.id)
    await desk.remove(tutor, block.id)
    await desk.hold(tutor, monday + 11 * HOUR)


async def test_a_lesson_may_begin_where_a_block_ends_and_ends_its_buffer_before_one(
    desk: Any, monday: datetime, reason: Any
):
    tutor = await desk.publish(buffer_minutes=10)
    await desk.block(tutor, (monday + 9 * HOUR, monday + 10 * HOUR), (monday + 12 * HOUR, monday + 13 * HOUR))
    await desk.hold(tutor, monday + 10 * HOUR, minutes=30)
    assert await reason(desk.hold(tutor, monday + 11 * HOUR)) == "SLOT_TAKEN"
    await desk.hold(tutor, monday + 11 * HOUR, minutes=50)


async def test_blocks_are_made_all_or_none(desk: Any, monday: datetime, reason: Any):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday + 10 * HOUR, saga=saga)
    spans = [(monday + hour * HOUR, monday + (hour + 1) * HOUR) for hour in (8, 10)]
    assert await reason(desk.block(tutor, *spans)) == "SLOT_TAKEN"
    assert len(await desk.sql("select 1 from claim where calendar_id = :tutor", tutor=tutor)) == 1
    assert await desk.sql("select 1 from block where tutor_id = :tutor", tutor=tutor) == []
    await desk.lapse(saga)
    made = await desk.block(tutor, *spans)
    assert [block.start for block in made] == [to_proto(start) for start, _ in spans]
    assert await desk.claims(saga) == [("STUDENT", "HELD")]


async def test_a_block_can_overlap_neither_a_lesson_nor_another_block(desk: Any, monday: datetime, reason: Any):
    tutor = uuid.uuid4()  # who has no schedule
    await desk.block(tutor, (monday, monday + HOUR))
    assert await reason(desk.block(tutor, (monday + 59 * MINUTE, monday + 2 * HOUR))) == "SLOT_TAKEN"
    await desk.block(tutor, (monday + HOUR, monday + 2 * HOUR))


async def test_repeating_a_request_returns_the_first_blocks_even_after_their_removal(
    desk: Any, monday: datetime, reason: Any
):
    tutor, request = uuid.uuid4(), uuid.uuid4()
    spans = [(monday + 2 * HOUR, monday + 3 * HOUR), (monday, monday + HOUR)]
    first = await desk.block(tutor, *spans, request=request)
    assert await desk.block(tutor, *spans, request=request) == first
    await desk.remove(tutor, first[0].id)
    assert await desk.block(tutor, *spans, request=request) == first
    assert len(await desk.sql("select 1 from claim where calendar_id = :tutor", tutor=tutor)) == 1
    assert await reason(desk.block(tutor, spans[0], request=request)) == "IDEMPOTENCY_MISMATCH"


async def test_the_same_request_id_of_another_tutor_is_another_request(desk: Any, monday: datetime):
    request, span = uuid.uuid4(), (monday, monday + HOUR)
    (one,) = await desk.block(uuid.uuid4(), span, request=request)
    (other,) = await desk.block(uuid.uuid4(), span, request=request)
    assert one.id != other.id


async def test_another_tutors_block_does_not_exist(desk: Any, monday: datetime, reason: Any):
    tutor = uuid.uuid4()
    (block,) = await desk.block(tutor, (monday, monday + HOUR))
    assert await reason(desk.remove(uuid.uuid4(), block.id)) == "NOT_FOUND"
    assert await reason(desk.remove(tutor, str(uuid.uuid4()))) == "NOT_FOUND"
    assert len(await desk.sql("select 1 from claim where calendar_id = :tutor", tutor=tutor)) == 1


async def test_a_lessons_claim_cannot_be_removed_as_if_it_were_a_block(desk: Any, monday: datetime, reason: Any):
    tutor, saga = await desk.publish(), uuid.uuid4()
    answer = await desk.hold(tutor, monday, saga=saga)
    assert await reason(desk.remove(tutor, answer.availability_block_id)) == "NOT_FOUND"
    assert len(await desk.claims(saga)) == 2


async def test_a_person_blocks_only_their_own_time(desk: Any, stub_as: Any, token: Any, monday: datetime, reason: Any):
    tutor, span = uuid.uuid4(), (monday, monday + HOUR)
    for role, subject in (("tutor", uuid.uuid4()), ("student", tutor)):
        stranger = stub_as("bff", token(role, subject=subject))
        assert await reason(desk.block(tutor, span, stub=stranger)) == "FORBIDDEN"
        assert await reason(desk.remove(tutor, str(uuid.uuid4()), stub=stranger)) == "FORBIDDEN"
    own = stub_as("bff", token("tutor", subject=tutor))
    (block,) = await desk.block(tutor, span, stub=own)
    await desk.remove(tutor, block.id, stub=own)


@pytest.mark.parametrize(
    ("spans", "field"),
    [
        ([], "blocks"),
        ([(number * 60, number * 60 + 60) for number in range(101)], "blocks"),
        ([(0, 60), (30, 90)], "blocks[1]"),
        ([(30, 90), (0, 60)], "blocks[0]"),
        ([(60, 60)], "blocks[0].end"),
        ([(0, 60), (120, 60)], "blocks[1].end"),
        ([(0, 366 * 1440 + 1)], "blocks[0].end"),
        ([(None, 60)], "blocks[0].start"),
    ],
)
async def test_blocks_that_cannot_be_made_name_the_field(desk: Any, monday: datetime, spans: Any, field: str):
    def at(minute: int | None) -> datetime | None:
        return None if minute is None else monday + minute * MINUTE

    with pytest.raises(BadInput) as refusal:
        await desk.block(uuid.uuid4(), *((at(start), at(end)) for start, end in spans))
    assert refusal.value.field == field


async def test_a_reason_that_is_too_long_is_named(desk: Any, monday: datetime):
    block = pb2.TimeBlock(start=to_proto(monday), end=to_proto(monday + HOUR), reason="x" * 501)
    with pytest.raises(BadInput) as refusal:
        await desk.bff.BlockTime(pb2.BlockTimeRequest(tutor_id=str(uuid.uuid4()), blocks=[block]), timeout=5)
    assert refusal.value.field == "blocks[0].reason"


async def test_the_auditor_pages_through_every_claim_once_in_id_order(desk: Any, monday: datetime):
    tutor, saga = await desk.publish(buffer_minutes=10), uuid.uuid4()
    await desk.hold(tutor, monday + 200 * DAY, saga=saga)
    await desk.confirm(saga)
    claims, token = [], ""
    while True:
        page = await desk.ops.ListClaims(pb2.ListClaimsRequest(page_size=3, page_token=token), timeout=5)
        claims += page.claims
        token = page.next_page_token
        if not token:
            break
    ids = [claim.id for claim in claims]
    assert ids == sorted(set(ids))
    assert len(ids) == (await desk.sql("select count(*) from claim"))[0][0]
    (own,) = [claim for claim in claims if claim.calendar_id == str(tutor)]
    assert (own.saga_id, own.state) == (str(saga), pb2.CLAIM_STATE_CONFIRMED)
    assert own.end.seconds - own.start.seconds == 70 * 60
    assert not own.HasField("expires_at")


async def test_neither_people_nor_other_services_list_claims(desk: Any, stub_as: Any, token: Any, reason: Any):
    for stub in (desk.bff, stub_as("ops", token("student")), stub_as("ops", token("tutor"))):
        assert await reason(stub.ListClaims(pb2.ListClaimsRequest(), timeout=5)) == "FORBIDDEN"
    assert await reason(desk.ops.ListClaims(pb2.ListClaimsRequest(page_size=1001), timeout=5)) == "BAD_USER_INPUT"
    assert await reason(desk.ops.ListClaims(pb2.ListClaimsRequest(page_token="x"), timeout=5)) == "BAD_USER_INPUT"
