"""A tutor's own calendar: what is published and blocked, read back, added to and removed."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from mesh import cursors
from mesh.errors import BadInput, NotFound, Refusal, TryAgain
from tests.bff.graphql.test_availability import HOURS, PUBLISH
from tutormesh.availability.v1 import availability_pb2
from tutormesh.common.v1.money_pb2 import Money

MINE = """{ myAvailability {
  displayName listed timezone weekly { weekday start end } minimumNoticeMinutes maximumDaysAhead rate { display }
} }"""
BLOCKS = """query($first: Int, $after: String) { myBlocks(first: $first, after: $after) {
  nodes { id start end reason } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
} }"""
ERRORS = "userErrors { code message field retryable }"
BLOCK = f"""mutation($start: AWSDateTime!, $end: AWSDateTime!, $reason: String, $key: String) {{
  blockTime(start: $start, end: $end, reason: $reason, idempotencyKey: $key) {{ block {{ id start end reason }} {ERRORS} }}
}}"""
REMOVE = f"mutation($id: ID!) {{ removeBlock(id: $id) {{ blockId {ERRORS} }} }}"
TIMES = {"start": "2030-01-31T10:00:00+01:00", "end": "2030-01-31T11:00:00+01:00"}


def schedule(**more: Any) -> availability_pb2.GetScheduleResponse:
    window = availability_pb2.WeeklyWindow(weekday=availability_pb2.WEEKDAY_SUNDAY, start="00:00", end="24:00")
    return availability_pb2.GetScheduleResponse(
        schedule=availability_pb2.Schedule(
            timezone="Europe/Paris",
            weekly=[window],
            minimum_notice_minutes=7,
            maximum_days_ahead=9,
            rate=Money(amount_minor=5000, currency="EUR"),
            **more,
        )
    )


def block(reason: str = "", id_: str = "") -> availability_pb2.Block:
    made = availability_pb2.Block(id=id_ or str(uuid4()), reason=reason)
    made.start.FromJsonString("2030-01-31T09:00:00Z")
    made.end.FromJsonString("2030-01-31T10:00:00Z")
    return made


async def test_a_tutor_reads_back_what_they_have_published(tutor: Any, script: Any) -> None:
    script.answers["GetSchedule"] = schedule(display_name="Jonas", listed=False)
    assert (await tutor.data(MINE))["myAvailability"] == {
        "displayName": "Jonas",
        "listed": False,
        "timezone": "Europe/Paris",
        "weekly": [{"weekday": "SUNDAY", "start": "00:00", "end": "24:00"}],
        "minimumNoticeMinutes": 7,
        "maximumDaysAhead": 9,
        "rate": {"display": "€50.00"},
    }
    assert script.one("GetSchedule").request.tutor_id == tutor.id


async def test_a_service_of_the_version_before_says_nothing_of_names(tutor: Any, script: Any) -> None:
    script.answers["GetSchedule"] = schedule()
    found = (await tutor.data(MINE))["myAvailability"]
    assert (found["displayName"], found["listed"]) == (None, True)


async def test_nothing_published_is_null(tutor: Any, script: Any) -> None:
    script.answers["GetSchedule"] = Refusal.from_parts("NOT_FOUND", "TUTOR_NOT_FOUND", "no such tutor")
    assert await tutor.data(MINE) == {"myAvailability": None}


async def test_another_refusal_is_an_error(tutor: Any, script: Any) -> None:
    script.answers["GetSchedule"] = TryAgain()
    assert (await tutor.error(MINE))["code"] == "UNAVAILABLE"


async def test_blocks_are_a_connection(tutor: Any, script: Any) -> None:
    made = [block("dentist"), block()]
    script.answers["ListBlocks"] = availability_pb2.ListBlocksResponse(
        blocks=made, next_page_token="c2", cursors=["c1", "c2"]
    )
    found = (await tutor.data(BLOCKS, first=2, after="c0"))["myBlocks"]
    times = {"start": "2030-01-31T09:00:00Z", "end": "2030-01-31T10:00:00Z"}
    assert found["nodes"] == [
        {"id": made[0].id, "reason": "dentist"} | times,
        {"id": made[1].id, "reason": None} | times,
    ]
    assert found["edges"] == [{"cursor": f"c{n}", "node": {"id": one.id}} for n, one in enumerate(made, 1)]
    assert found["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": True,
        "startCursor": "c1",
        "endCursor": "c2",
    }
    request = script.one("ListBlocks").request
    assert (request.tutor_id, request.page_size, request.page_token) == (tutor.id, 2, "c0")


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_a_page_has_1_to_100_blocks(tutor: Any, script: Any, first: int) -> None:
    error = await tutor.error(BLOCKS, first=first)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["first"])
    assert not script.seen


async def test_a_cursor_that_is_none_is_named(tutor: Any, script: Any) -> None:
    async def refuse(request: availability_pb2.ListBlocksRequest) -> None:
        cursors.decode(request.page_token)

    script.answers["ListBlocks"] = refuse
    assert (await tutor.error(BLOCKS, after="nonsense"))["field"] == ["after"]


async def test_a_tutor_blocks_time(tutor: Any, script: Any) -> None:
    script.answers["BlockTime"] = availability_pb2.BlockTimeResponse(blocks=[block("dentist", "b")])
    payload = (await tutor.data(BLOCK, **TIMES, reason="dentist"))["blockTime"]
    answered = {"id": "b", "start": "2030-01-31T09:00:00Z", "end": "2030-01-31T10:00:00Z", "reason": "dentist"}
    assert payload == {"block": answered, "userErrors": []}
    request = script.one("BlockTime").request
    (wanted,) = request.blocks
    assert (request.tutor_id, wanted.reason, request.request_id) == (tutor.id, "dentist", "")
    assert (wanted.start.ToJsonString(), wanted.end.ToJsonString()) == (answered["start"], answered["end"])


async def test_a_key_is_the_same_request_again(tutor: Any, script: Any) -> None:
    script.answers["BlockTime"] = availability_pb2.BlockTimeResponse(blocks=[block()])
    for key in ("once", "once", "twice", None):
        await tutor.data(BLOCK, **TIMES, key=key)
    one, same, other, none = [call.request.request_id for call in script.seen]
    assert one == same != other
    assert re.fullmatch(r"[0-9a-f-]{36}", one) and none == ""


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_length_is_refused(tutor: Any, script: Any, key: str) -> None:
    error = await tutor.error(BLOCK, **TIMES, key=key)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["idempotencyKey"])
    assert not script.seen


@pytest.mark.parametrize(
    ("code", "field"), [("SLOT_TAKEN", None), ("TOO_MANY_BLOCKS", None), ("IDEMPOTENCY_MISMATCH", ["idempotencyKey"])]
)
async def test_what_a_rule_refuses_is_a_user_error(tutor: Any, script: Any, code: str, field: list[str] | None) -> None:
    script.answers["BlockTime"] = Refusal.from_parts("FAILED_PRECONDITION", code, "no")
    payload = (await tutor.data(BLOCK, **TIMES))["blockTime"]
    error = {"code": code, "message": "no", "field": field, "retryable": False}
    assert payload == {"block": None, "userErrors": [error]}


@pytest.mark.parametrize("field", ["start", "end", "reason"])
async def test_the_bad_field_of_a_block_is_named_as_the_argument(tutor: Any, script: Any, field: str) -> None:
    script.answers["BlockTime"] = BadInput("cannot be", field=f"blocks[0].{field}")
    error = await tutor.error(BLOCK, **TIMES)
    assert (error["code"], error["field"], error["message"]) == ("BAD_USER_INPUT", [field], f"{field}: cannot be")


async def test_a_tutor_removes_a_block(tutor: Any, script: Any) -> None:
    script.answers["RemoveBlock"] = availability_pb2.RemoveBlockResponse()
    assert (await tutor.data(REMOVE, id="b"))["removeBlock"] == {"blockId": "b", "userErrors": []}
    request = script.one("RemoveBlock").request
    assert (request.tutor_id, request.block_id) == (tutor.id, "b")


async def test_a_block_that_is_none_is_not_found_and_a_bad_id_is_named(tutor: Any, script: Any) -> None:
    script.answers["RemoveBlock"] = NotFound()
    assert (await tutor.error(REMOVE, id="b"))["code"] == "NOT_FOUND"
    script.answers["RemoveBlock"] = BadInput("not a UUID", field="block_id")
    assert (await tutor.error(REMOVE, id="b"))["field"] == ["id"]


async def test_an_unknown_outcome_may_be_sent_again(tutor: Any, script: Any) -> None:
    script.answers["RemoveBlock"] = TryAgain()
    (error,) = (await tutor.data(REMOVE, id="b"))["removeBlock"]["userErrors"]
    assert (error["code"], error["retryable"]) == ("TRY_AGAIN", True)


@pytest.mark.parametrize(("mutation", "arguments"), [(BLOCK, TIMES), (REMOVE, {"id": "b"})])
async def test_only_a_tutor_changes_a_calendar(student: Any, script: Any, mutation: str, arguments: Any) -> None:
    assert (await student.error(mutation, **arguments))["code"] == "FORBIDDEN"
    assert not script.seen


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, ("", True)),
        ({"displayName": None, "listed": None}, ("", None)),
        ({"displayName": "Jonas", "listed": False}, ("Jonas", False)),
        ({"displayName": "x" * 81, "listed": True}, ("x" * 81, True)),
    ],
)
async def test_a_name_and_whether_one_is_listed_are_passed_on(tutor: Any, script: Any, given: Any, sent: Any) -> None:
    script.answers["PublishAvailability"] = availability_pb2.PublishAvailabilityResponse()
    await tutor.data(PUBLISH, input=HOURS | given)
    request = script.one("PublishAvailability").request
    assert (request.display_name, request.listed if request.HasField("listed") else None) == sent


async def test_a_bad_name_is_named(tutor: Any, script: Any) -> None:
    assert (await tutor.error(PUBLISH, input=HOURS | {"displayName": ""}))["field"] == ["input", "displayName"]
    assert not script.seen
    script.answers["PublishAvailability"] = BadInput("must have 0 to 80 characters", field="display_name")
    error = await tutor.error(PUBLISH, input=HOURS | {"displayName": "x" * 81})
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["input", "displayName"])
