"""HoldSlot and ReleaseSlot: which order gets a time, and with which reason the others are refused."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from mesh.clock import to_proto
from mesh.errors import BadInput
from mesh.statements import text
from tests.statements import sent_by
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.common.v1.money_pb2 import Money

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def test_a_hold_claims_both_calendars_and_returns_price_and_end(desk: Any, monday: datetime):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    answer = await desk.hold(tutor, monday + 10 * HOUR, student, saga, minutes=90)
    assert (answer.price.amount_minor, answer.price.currency) == (7500, "USD")
    assert 1790 < answer.seconds_left <= 1800
    rows = await desk.sql(
        "select id, calendar_id, role, state from claim where saga_id = :saga order by role", saga=saga
    )
    assert [(row.calendar_id, row.role, row.state) for row in rows] == [
        (student, "STUDENT", "HELD"),
        (tutor, "TUTOR", "HELD"),
    ]
    assert str(rows[1].id) == answer.availability_block_id


async def test_a_hold_takes_two_statements_whether_the_calendars_are_new_or_not(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    for hour in range(2):
        with sent_by(desk.database) as sent:
            await desk.hold(tutor, monday + hour * HOUR, student)
        assert len(sent.statements) == 2


async def test_repeating_a_saga_returns_the_first_hold_even_after_a_new_schedule(desk: Any, monday: datetime):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    first = await desk.hold(tutor, monday, student, saga)
    await desk.publish(tutor, weekly=[], buffer_minutes=30, minimum_notice_minutes=525_600)
    again = await desk.hold(tutor, monday, student, saga)
    assert again.seconds_left <= first.seconds_left
    again.seconds_left = first.seconds_left
    assert again == first


async def test_a_saga_that_orders_another_time_is_refused_as_a_mismatch(desk: Any, monday: datetime, reason: Any):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    await desk.hold(tutor, monday, student, saga)
    assert await reason(desk.hold(tutor, monday + HOUR, student, saga)) == "IDEMPOTENCY_MISMATCH"


async def test_02_an_overlapping_time_is_refused_by_the_service_and_in_raw_sql(
    desk: Any, monday: datetime, reason: Any
):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday + 10 * HOUR, saga=saga)
    await desk.confirm(saga)
    assert await reason(desk.hold(tutor, monday + 10.5 * HOUR)) == "SLOT_TAKEN"
    insert = """insert into claim (id, calendar_id, role, during, state)
        values (gen_random_uuid(), :tutor, 'BLOCK', tstzrange(:start, :end), 'BLOCKED')"""

    values = {"tutor": tutor, "start": monday + 10.5 * HOUR, "end": monday + 11.5 * HOUR}
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="claim_no_overlap"):
        async with desk.database.pool.begin() as connection:
            await connection.execute(text(insert), values)


async def test_03_lessons_that_touch_both_succeed_without_a_buffer(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday + 10 * HOUR, student)
    await desk.hold(tutor, monday + 11 * HOUR, student)
    await desk.hold(tutor, monday + 9 * HOUR)


@pytest.mark.parametrize("offset", [60, 65, 69, -60, -65, -69])
async def test_03_a_buffer_of_ten_minutes_is_kept_on_both_sides(desk: Any, monday: datetime, reason: Any, offset: int):
    tutor = await desk.publish(buffer_minutes=10, start_every_minutes=1)
    await desk.hold(tutor, monday + 10 * HOUR)
    assert await reason(desk.hold(tutor, monday + 10 * HOUR + offset * MINUTE)) == "SLOT_TAKEN"


async def test_exactly_one_buffer_between_two_lessons_is_enough(desk: Any, monday: datetime):
    tutor = await desk.publish(buffer_minutes=10, start_every_minutes=10)
    await desk.hold(tutor, monday + 10 * HOUR)
    await desk.hold(tutor, monday + 11 * HOUR + 10 * MINUTE)
    await desk.hold(tutor, monday + 8 * HOUR + 50 * MINUTE)


async def test_the_buffer_is_the_tutors_and_not_the_students(desk: Any, monday: datetime):
    one, other, student = await desk.publish(buffer_minutes=30), await desk.publish(buffer_minutes=30), uuid.uuid4()
    await desk.hold(one, monday + 10 * HOUR, student)
    await desk.hold(other, monday + 11 * HOUR, student)


async def test_a_changed_buffer_does_not_change_existing_claims(desk: Any, monday: datetime, reason: Any):
    tutor = await desk.publish(buffer_minutes=30)
    await desk.hold(tutor, monday + 10 * HOUR)
    await desk.publish(tutor, buffer_minutes=0)
    assert await reason(desk.hold(tutor, monday + 11 * HOUR)) == "SLOT_TAKEN"
    await desk.hold(tutor, monday + 11.5 * HOUR)


async def test_06_a_student_cannot_be_with_two_tutors_at_once(desk: Any, monday: datetime, reason: Any):
    one, other, student = await desk.publish(), await desk.publish(), uuid.uuid4()
    await desk.hold(one, monday + 10 * HOUR, student)
    assert await reason(desk.hold(other, monday + 10.5 * HOUR, student)) == "STUDENT_BUSY"


async def test_a_tutor_who_learns_somewhere_else_cannot_teach_then(desk: Any, monday: datetime, reason: Any):
    one, other = await desk.publish(), await desk.publish()
    await desk.hold(one, monday + 10 * HOUR, student=other)
    assert await reason(desk.hold(other, monday + 10 * HOUR)) == "SLOT_TAKEN"


async def test_a_taken_slot_is_refused_before_a_busy_student(desk: Any, monday: datetime, reason: Any):
    one, other, student = await desk.publish(), await desk.publish(), uuid.uuid4()
    await desk.hold(one, monday, student)
    await desk.hold(other, monday)
    assert await reason(desk.hold(other, monday, student)) == "SLOT_TAKEN"


async def test_08_hours_and_notice_are_enforced_when_claiming(desk: Any, monday: datetime, reason: Any):
    tutor = await desk.publish(weekly=[(pb2.WEEKDAY_MONDAY, "09:00", "17:00")])
    assert await reason(desk.hold(tutor, monday + 8.5 * HOUR)) == "OUTSIDE_WORKING_HOURS"
    assert await reason(desk.hold(tutor, monday + 16.5 * HOUR)) == "OUTSIDE_WORKING_HOURS"
    assert await reason(desk.hold(tutor, monday + DAY + 10 * HOUR)) == "OUTSIDE_WORKING_HOURS"
    await desk.publish(tutor, minimum_notice_minutes=525_600)
    assert await reason(desk.hold(tutor, monday + 10 * HOUR)) == "TOO_SOON"


async def test_a_lesson_in_the_past_is_too_soon_at_any_hours(desk: Any, monday: datetime, reason: Any):
    tutor = await desk.publish()
    assert await reason(desk.hold(tutor, monday - 365 * DAY)) == "TOO_SOON"
    await desk.publish(tutor, weekly=[])
    assert await reason(desk.hold(tutor, monday - 365 * DAY)) == "TOO_SOON"


async def test_a_hold_ends_when_the_lesson_begins_if_that_is_sooner(desk: Any):
    tutor = await desk.publish(start_every_minutes=1)
    start = datetime.now(UTC).replace(second=0, microsecond=0) + 10 * MINUTE
    answer = await desk.hold(tutor, start)
    assert answer.expires_at.ToDatetime(tzinfo=UTC) == start
    assert 500 < answer.seconds_left <= 600


async def test_10_hours_changed_under_a_hold_leave_it_standing_and_bind_new_ones(
    desk: Any, monday: datetime, reason: Any
):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday + 10 * HOUR, saga=saga)
    await desk.publish(tutor, weekly=[(pb2.WEEKDAY_TUESDAY, "09:00", "17:00")])
    assert await reason(desk.hold(tutor, monday + 12 * HOUR)) == "OUTSIDE_WORKING_HOURS"
    await desk.confirm(saga)
    assert await desk.claims(saga) == [("TUTOR", "CONFIRMED"), ("STUDENT", "CONFIRMED")]


async def test_a_student_may_have_three_unpaid_holds_and_no_more(desk: Any, monday: datetime, reason: Any):
    tutor, student = await desk.publish(), uuid.uuid4()
    sagas = [uuid.uuid4() for _ in range(3)]
    for hour, saga in enumerate(sagas):
        await desk.hold(tutor, monday + hour * HOUR, student, saga)
    assert await reason(desk.hold(tutor, monday + 5 * HOUR, student)) == "TOO_MANY_HOLDS"
    await desk.confirm(sagas[0])
    await desk.hold(tutor, monday + 5 * HOUR, student)
    await desk.lapse(sagas[1], ago=timedelta(seconds=1))  # ended, though still within the grace
    await desk.hold(tutor, monday + 6 * HOUR, student)
    assert await reason(desk.hold(tutor, monday + 7 * HOUR, student)) == "TOO_MANY_HOLDS"


async def test_an_unknown_tutor_is_not_found_and_leaves_nothing_behind(desk: Any, monday: datetime, reason: Any):
    tutor, saga = uuid.uuid4(), uuid.uuid4()
    assert await reason(desk.hold(tutor, monday, saga=saga)) == "TUTOR_NOT_FOUND"
    assert await desk.sql("select 1 from calendar where id = :tutor", tutor=tutor) == []
    assert await desk.sql("select 1 from hold where saga_id = :saga", saga=saga) == []


@pytest.mark.parametrize(
    ("rate", "minutes", "price"),
    [
        (Money(amount_minor=90, currency="VND"), 15, 22),  # 22.5
        (Money(amount_minor=199, currency="USD"), 15, 50),  # 49.75: the least
        (Money(amount_minor=1250, currency="KWD"), 30, 620),  # 625, in steps of 10
        (Money(amount_minor=100_000_000, currency="IDR"), 60, 100_000_000),
        (Money(amount_minor=500_000_000, currency="IDR"), 240, 2_000_000_000),
    ],
)
async def test_a_price_is_rounded_half_even_to_what_can_be_charged(
    desk: Any, monday: datetime, rate: Money, minutes: int, price: int
):
    tutor = await desk.publish(rate=rate)
    answer = await desk.hold(tutor, monday, minutes=minutes)
    assert (answer.price.amount_minor, answer.price.currency) == (price, rate.currency)


@pytest.mark.parametrize(
    ("rate", "minutes"),
    [
        (Money(amount_minor=99_999_999, currency="USD"), 120),
        (Money(amount_minor=197, currency="USD"), 15),
        (Money(amount_minor=999_999, currency="UGX"), 61),
    ],
)
async def test_a_lesson_whose_price_cannot_be_charged_is_not_listed_and_its_price_is_the_providers_to_refuse(
    desk: Any, monday: datetime, rate: Money, minutes: int
):
    """A service may name another price than the tutor's, and another provider may take this one."""
    tutor = await desk.publish(rate=rate)
    assert await desk.slots(tutor, monday, monday + DAY, minutes) == []
    assert (await desk.hold(tutor, monday, minutes=minutes)).price.amount_minor > 0


@pytest.mark.parametrize(
    ("amount", "currency", "held"),
    [
        ("50", "USD", True),
        ("50.00", "", True),
        ("", "USD", True),
        ("", "", True),
        ("49.99", "USD", False),
        ("50.001", "", False),
        ("5000", "USD", False),
        ("50", "EUR", False),
        ("", "EUR", False),
        ("9" * 100, "", False),
    ],
)
async def test_another_price_than_the_expected_one_is_refused_and_leaves_nothing(
    desk: Any, monday: datetime, reason: Any, amount: str, currency: str, held: bool
):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    for _ in range(6):  # a refusal counts as no hold that ended unpaid, and a repeat is the first hold again
        call = desk.hold(tutor, monday, student, saga, expected_amount=amount, expected_currency=currency)
        if held:
            await call
        else:
            assert await reason(call) == "AMOUNT_MISMATCH"
    if not held:
        assert await desk.sql("select 1 from hold where student_id = :s", s=student) == []
    await desk.hold(tutor, monday, student, saga, expected_amount="50", expected_currency="USD")
    await desk.hold(tutor, monday, student, saga, expected_amount="1")  # it is held: the price is decided


@pytest.mark.parametrize(
    ("rate", "minutes", "most"),
    [
        (Money(amount_minor=2_000_000_000, currency="IDR"), 64, 64),
        (Money(amount_minor=2_000_000_000, currency="IDR"), 65, 64),
        (Money(amount_minor=99_999_999, currency="USD"), 1289, 1288),
    ],
)
async def test_a_price_above_what_can_be_told_is_refused_by_name(
    desk: Any, monday: datetime, rate: Money, minutes: int, most: int
):
    tutor = await desk.publish(rate=rate, longest_lesson_minutes=1440)
    if minutes <= most:
        await desk.hold(tutor, monday, minutes=minutes)
        return
    with pytest.raises(BadInput) as refusal:
        await desk.hold(tutor, monday, minutes=minutes)
    assert refusal.value.field == "duration_minutes"
    assert rate.currency in refusal.value.message
    assert await desk.slots(tutor, monday, monday + DAY, minutes) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"saga_id": "x"}, "saga_id"),
        ({"tutor_id": ""}, "tutor_id"),
        ({"student_id": "00000000-0000-0000-0000-00000000000g"}, "student_id"),
        ({"student_id": "00000000-0000-4000-8000-000000000001"}, "student_id"),
        ({"duration_minutes": 0}, "duration_minutes"),
        ({"duration_minutes": 1441}, "duration_minutes"),
        ({"expected_amount": "NaN"}, "expected_amount"),
        ({"expected_amount": "-50"}, "expected_amount"),
        ({"expected_amount": "1e9"}, "expected_amount"),
        ({"expected_amount": "٥٠"}, "expected_amount"),
        ({"expected_amount": "5" * 1001}, "expected_amount"),
        ({"expected_currency": "DOLLARS"}, "expected_currency"),
        ({"start": None}, "start_time"),
        ({"start": datetime(2030, 1, 1, 10, 0, 30, tzinfo=UTC)}, "start_time"),
        ({"start": datetime(2030, 1, 1, 10, 0, 0, 5, tzinfo=UTC)}, "start_time"),
        ({"start": datetime(1960, 1, 1, tzinfo=UTC)}, "start_time"),
    ],
)
async def test_bad_input_names_its_field(desk: Any, monday: datetime, changes: dict[str, Any], field: str):
    values = {
        "saga_id": str(uuid.uuid4()),
        "tutor_id": "00000000-0000-4000-8000-000000000001",
        "student_id": str(uuid.uuid4()),
        "start": monday,
        "duration_minutes": 60,
    } | changes
    values["start"] = to_proto(values["start"])
    with pytest.raises(BadInput) as refusal:
        await desk.payment.HoldSlot(pb2.HoldSlotRequest(**values), timeout=5)
    assert refusal.value.field == field


async def test_a_released_hold_frees_both_calendars_and_stays_released(desk: Any, monday: datetime, reason: Any):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    await desk.hold(tutor, monday, student, saga)
    await desk.release(saga)
    await desk.release(saga)
    assert await desk.claims(saga) == []
    assert await reason(desk.hold(tutor, monday, student, saga)) == "CANCELLED"
    assert await reason(desk.confirm(saga)) == "CANCELLED"
    await desk.hold(tutor, monday, student)


async def test_a_confirmed_lesson_can_be_released(desk: Any, monday: datetime):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday, saga=saga)
    await desk.confirm(saga)
    await desk.release(saga)
    assert await desk.claims(saga) == []
    await desk.hold(tutor, monday)


async def test_35_a_release_that_arrives_before_its_hold_refuses_it_for_ever(desk: Any, monday: datetime, reason: Any):
    tutor, saga = await desk.publish(), uuid.uuid4()
    await desk.release(saga)
    await desk.release(saga)
    assert await reason(desk.hold(tutor, monday, saga=saga)) == "CANCELLED"
    assert await reason(desk.confirm(saga)) == "CANCELLED"
    assert await desk.claims(saga) == []


async def test_only_payment_may_hold(stub_as: Any, desk: Any, monday: datetime, reason: Any):
    await desk.publish()
    assert await reason(desk.bff.HoldSlot(pb2.HoldSlotRequest(), timeout=5)) == "FORBIDDEN"
