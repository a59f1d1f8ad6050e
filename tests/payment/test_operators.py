"""Scenario 37 and its kin: what has failed for a day waits for a person, who retries it or closes it by their word."""

from __future__ import annotations

from uuid import UUID

import pytest

from mesh.errors import Refusal
from tests.payment.faults import ALWAYS, alerted, let_time_pass, put_to_sleep, told_by
from tests.people import Booked, People, lesson_time
from tests.world import FailAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

PAYMENT_CANCELLED = payment_pb2.PAYMENT_STATUS_CANCELLED
CANCELED = "payment_intent.canceled"


pytestmark = pytest.mark.usefixtures("no_replica")


async def let_it_fail_for_a_day(people: People, saga_id: str) -> None:
    """Until it is parked; a day's tries are not waited for."""
    await put_to_sleep(people, saga_id)
    await let_time_pass(people, saga_id, hours=25)
    await people.until_state(saga_id, "PARKED")


async def parked_undo(people: People) -> Booked:
    """An expired booking whose undo a replica that fails has not been able to end; Stripe's news of it are on hold."""
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga)
    await let_it_fail_for_a_day(people, booked.saga)
    return booked


async def events_of(people: People, booked: Booked) -> list[str]:
    ask = "select status from stripe_event where saga_id = $1"
    return [row["status"] for row in await people.world.sql("payment", ask, UUID(booked.saga))]


async def test_37_a_session_that_cannot_be_made_for_a_day_is_parked_and_finished_by_retry(
    people: People, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = FailAt("before CreateConfirmedSession", times=ALWAYS)
    await world.start_replica(failing)
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "BOOKING_SESSION")
    await let_it_fail_for_a_day(people, booked.saga)
    assert alerted(capsys.readouterr().out, "saga_parked")
    assert "the answer was lost" in (await people.saga(booked.saga)).error
    assert (
        await people.booking(booked.booking)
    ).status == booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED  # nobody is told that it failed
    assert await people.claims(booked.saga) == ["CONFIRMED", "CONFIRMED"]
    failing.times = 0
    await people.retry(booked.saga)
    await people.until_state(booked.saga, "COMPLETED")
    assert (await told_by(people, booked.saga))[-3:] == ["parked", "retried", "completed"]
    assert (await people.session(booked.session)).status == session_pb2.SESSION_STATUS_CONFIRMED
    assert (await people.booking(booked.booking)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
    assert await people.refunds_of(booked.intent) == []


async def test_an_event_for_a_parked_saga_is_stored_and_heard_when_it_is_retried(people: People, world: World) -> None:
    failing = FailAt("after ReleaseSlot", times=ALWAYS)
    await world.start_replica(failing)
    booked = await parked_undo(people)
    assert await people.send_event(await people.event(booked.intent, CANCELED)) == 200
    assert await events_of(people, booked) == ["NEWS"]
    assert await people.state(booked.saga) == "PARKED"
    failing.times = 0
    await people.retry(booked.saga)
    await people.until_state(booked.saga, "EXPIRED")
    assert await events_of(people, booked) == ["DONE"]


async def test_resolving_a_saga_marks_its_waiting_events_done(people: People, world: World) -> None:
    await world.start_replica(FailAt("after ReleaseSlot", times=ALWAYS))  # it is undone, only nobody hears of it
    booked = await parked_undo(people)
    await people.send_event(await people.event(booked.intent, CANCELED))
    assert await events_of(people, booked) == ["NEWS"]
    await people.resolve(booked.saga, "EXPIRED")
    assert await events_of(people, booked) == ["DONE"]
    assert (await people.saga(booked.saga)).is_complete
    with pytest.raises(Refusal) as refused:
        await people.resolve(booked.saga, "CANCELLED")
    assert refused.value.reason == "WRONG_STATE"


async def test_a_saga_is_not_resolved_while_its_intent_can_be_paid(people: People, world: World) -> None:
    await world.start_replica(FailAt("before cancel_intent", times=ALWAYS))
    booked = await parked_undo(people)
    with pytest.raises(Refusal) as refused:
        await people.resolve(booked.saga, "EXPIRED")
    assert refused.value.reason == "WRONG_STATE"
    assert await people.state(booked.saga) == "PARKED"
    await people.cancel_intent(booked.intent)
    await people.resolve(booked.saga, "EXPIRED")
    assert await people.state(booked.saga) == "EXPIRED"
    assert (await told_by(people, booked.saga))[-2:] == ["parked", "resolved"]
    assert (await people.payment(booked.payment)).status == PAYMENT_CANCELLED
