"""`tutormesh audit` and `reconcile` against a running mesh whose lessons were cancelled, refunded and disputed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mesh.errors import TryAgain
from ops.audit.command import audit_mesh
from ops.peers import Peers
from tests.audited import assert_clean
from tests.ops.conftest import Tutormesh
from tests.people import Booked, People, lesson_time, until


async def sold(people: People, start: datetime | None = None) -> Booked:
    """A confirmed lesson."""
    booked = await people.booked(await people.tutor(), start or lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


def in_hours(hours: int) -> datetime:
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(second=0, microsecond=0)


async def parked_cancel(people: People) -> tuple[Booked, str]:
    """A lesson cancelled for half its price, and its cancel, parked: the provider would not take the refund."""
    booked = await sold(people, in_hours(10))
    await people.webhooks("drop")
    await people.fault("/v1/refunds", "error_before", times=100)
    with contextlib.suppress(TryAgain):
        await people.cancel(booked)
    (cancel,) = await people.world.sql(
        "payment",
        """update saga set state = 'PARKED', wake_at = null, lease_owner = null, lease_until = null, fence = fence + 1,
           error = '{"reason": "REFUND_NOT_DONE", "message": "no"}',
           context = context || '{"parked_from": "COMPENSATING"}'
           where kind = 'CancelBookingSaga' and booking_id = $1 returning id""",
        UUID(booked.booking),
    )
    await people.no_faults()
    return booked, str(cancel["id"])


async def until_all_is_heard(people: People, booked: Booked) -> None:
    """Until payment_svc has dealt with every event that Stripe has had about a booking."""

    async def unheard() -> set[str]:
        stripe = await people.stripe_state()
        heard = {delivery["event"] for delivery in stripe["deliveries"] if delivery["status"] == 200}
        return {event["id"] for event in stripe["events"] if booked.intent in json.dumps(event)} - heard

    await until(unheard, lambda events: not events)
    await people.at_rest()


async def amounts_back(people: People, booked: Booked) -> list[int]:
    return [refund["amount"] for refund in await people.refunds_of(booked.intent)]


async def test_every_kind_of_cancel_is_clean(people: People, tutormesh: Tutormesh) -> None:
    unpaid = await people.booked(await people.tutor(), lesson_time())
    free = await people.booked(await people.tutor(rate=0), lesson_time())
    for booked in (unpaid, free, *[await sold(people, in_hours(hours)) for hours in (30, 10, 1)]):
        await people.cancel(booked)
    answer = await tutormesh("audit")
    assert answer.exit_code == 0, answer.output


async def test_a_refund_that_was_taken_away_from_a_cancel_is_told(people: People, tutormesh: Tutormesh) -> None:
    booked = await sold(people, in_hours(10))
    cancel = await people.cancel(booked)
    await people.until_state(cancel.saga_id, "REFUNDED")
    await until_all_is_heard(people, booked)
    await people.webhooks("drop")
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "failed")
    told = (await tutormesh("audit")).output
    assert f"{booked.intent} received 5000 USD, 5000 of it is left, and cancel {cancel.saga_id} decided" in told
    assert f"is SUCCEEDED, the provider's {refund['id']} failed" in told
    await people.webhooks("normal")
    await people.redeliver((await people.event(booked.intent, "refund.failed"))["id"])
    await until(lambda: amounts_back(people, booked), lambda amounts: len(amounts) == 2)
    await assert_clean(people.world)


async def test_a_refund_by_hand_is_clean_once_it_is_learned(people: People, peers: Peers) -> None:
    booked = await sold(people)
    await until_all_is_heard(people, booked)
    await people.webhooks("drop")
    await people.refund_by_hand(booked.intent, 700)
    (breach,) = (await audit_mesh(peers)).breaches
    assert (breach.invariant, breach.ids) == ("I8", (booked.payment, booked.intent))
    await people.webhooks("normal")
    await people.refund_by_hand(booked.intent, 300)
    await until(lambda: people.refund_rows(booked), lambda rows: len(rows) == 2)
    await assert_clean(people.world)


async def test_a_lesson_to_come_that_was_given_away_by_hand_is_told_until_it_is_cancelled(
    people: People, peers: Peers
) -> None:
    booked = await sold(people)
    await people.refund_by_hand(booked.intent, 5000)
    await until(lambda: people.refund_rows(booked), bool)
    assert [(breach.invariant, breach.ids) for breach in (await audit_mesh(peers)).breaches] == [
        ("I2", (booked.saga, booked.intent))
    ]
    await people.cancel(booked)
    await assert_clean(people.world)


async def test_a_dispute_is_no_breach_before_nor_after_a_person_closed_it(people: People) -> None:
    booked = await sold(people)
    await people.dispute(booked.intent)
    await until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    await assert_clean(people.world)
    (case,) = await people.world.sql("payment", "select id from saga where kind = 'DisputeCase' and not is_complete")
    await people.resolve(str(case["id"]), "REFUNDED")
    assert (await people.saga(str(case["id"]))).resolved
    await assert_clean(people.world)


async def test_what_a_person_gave_back_by_hand_is_not_given_back_again(people: People, tutormesh: Tutormesh) -> None:
    booked, cancel = await parked_cancel(people)
    await people.refund_by_hand(booked.intent, 2500)
    await tutormesh("reconcile")
    assert await amounts_back(people, booked) == [2500]
    await people.resolve(cancel, "REFUNDED")
    await tutormesh("reconcile")
    await people.webhooks("normal")
    await people.redeliver((await people.event(booked.intent, "refund.created"))["id"])
    await until(lambda: people.refund_rows(booked), lambda rows: {row["status"] for row in rows} >= {"SUCCEEDED"})
    await assert_clean(people.world)
    assert await amounts_back(people, booked) == [2500]
    assert sorted(row["reason"] for row in await people.refund_rows(booked)) == ["made_at_provider", "withdrawn"]


async def test_what_a_person_paid_back_elsewhere_is_not_given_back_by_a_later_event(people: People) -> None:
    booked, cancel = await parked_cancel(people)
    await people.resolve(cancel, "REFUNDED")
    await people.webhooks("normal")
    await people.dispute(booked.intent)
    await until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    await assert_clean(people.world)
    assert await amounts_back(people, booked) == []


async def test_retry_finishes_a_parked_cancel_with_the_refund_it_decided(people: People, tutormesh: Tutormesh) -> None:
    booked, cancel = await parked_cancel(people)
    assert (await tutormesh("saga", "retry", cancel)).exit_code == 0
    await people.until_state(cancel, "REFUNDED")
    assert await amounts_back(people, booked) == [2500]
    await assert_clean(people.world)


async def test_show_tells_what_a_cancel_decided(people: People, tutormesh: Tutormesh) -> None:
    booked = await sold(people, in_hours(10))
    cancel = await people.cancel(booked)
    told = json.loads((await tutormesh("saga", "show", cancel.saga_id, "--json")).output)
    assert told["refund_due"] == {"amount_minor": 2500, "currency": "USD"}
    assert told["cancels_saga_id"] == booked.saga
    assert "2500 USD" in (await tutormesh("saga", "show", cancel.saga_id)).output


async def test_reconcile_twice_at_once_does_everything_once(people: People, tutormesh: Tutormesh) -> None:
    await people.webhooks("drop")
    paid = [await people.booked(await people.tutor(), lesson_time()) for _ in range(4)]
    for booked in paid:
        await people.pay(booked.intent)
    late = await people.booked(await people.tutor(), lesson_time())
    await people.cancel(late)
    stray = await people.create_intent(
        amount=5000, currency="usd", **{"payment_method_types[]": "card", "metadata[sagaId]": late.saga}
    )
    await people.pay(stray["id"])
    answers = await asyncio.gather(*(tutormesh("reconcile") for _ in range(3)))
    assert [answer.exit_code for answer in answers] == [0, 0, 0]
    for booked in paid:
        await people.until_state(booked.saga, "COMPLETED")
        assert await people.claims(booked.saga) == ["CONFIRMED", "CONFIRMED"]
        assert await amounts_back(people, booked) == []
    assert [refund["amount"] for refund in await people.refunds_of(stray["id"])] == [5000]
    await assert_clean(people.world)


async def test_the_gauges_are_what_the_textfile_collector_reads(people: People, tutormesh: Tutormesh) -> None:
    booked = await sold(people)
    clean = await tutormesh("audit", "--metrics")
    assert clean.exit_code == 0
    assert clean.output.endswith("\n")
    sample = re.compile(r'[a-z_]+(\{[a-z]+="\w+"\})? \d+(\.\d+)?')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in clean.output.splitlines())
    for name in ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"):
        assert f'tutormesh_audit_breaches{{invariant="{name}"}} 0\n' in clean.output
    assert f"tutormesh_audit_timestamp_seconds {int(datetime.now(UTC).timestamp()) // 1000}" in clean.output
    await people.world.sql("session", "delete from session where id = $1", UUID(booked.session))
    spoiled = await tutormesh("audit", "--metrics")
    assert spoiled.exit_code == 1
    assert 'tutormesh_audit_breaches{invariant="I7"} 1\n' in spoiled.output
    assert re.search(r'tutormesh_audit_looked_at\{kind="sagas"\} [1-9]', spoiled.output)


@pytest.mark.parametrize("words", [("--metrics", "--json")])
async def test_two_formats_at_once_are_refused(tutormesh: Tutormesh, words: tuple[str, ...]) -> None:
    answer = await tutormesh("audit", *words)
    assert (answer.exit_code, "exclude each other" in answer.output) == (2, True)
