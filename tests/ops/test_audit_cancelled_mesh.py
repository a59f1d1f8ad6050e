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
from tests.people import Booked, People, lesson_time, wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")


async def sell_lesson(people: People, start: datetime | None = None) -> Booked:
    """Sell a lesson, until it is confirmed."""
    booked = await people.booked(await people.tutor(), start or lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


def in_hours(hours: int) -> datetime:
    """A quarter of an hour, so many hours from now or a little sooner."""
    time = datetime.now(UTC) + timedelta(hours=hours)
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


async def park_cancel(people: People) -> tuple[Booked, str]:
    """Cancel a lesson for half its price, and park the cancel because the provider refuses the refund."""
    booked = await sell_lesson(people, in_hours(10))
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


async def wait_for_events(people: People, booked: Booked) -> None:
    """Wait until payment_svc has dealt with every event of Stripe's about a booking."""

    async def find_unheard() -> set[str]:
        stripe = await people.stripe_state()
        heard = {delivery["event"] for delivery in stripe["deliveries"] if delivery["status"] == 200}
        return {event["id"] for event in stripe["events"] if booked.intent in json.dumps(event)} - heard

    await wait_until(find_unheard, lambda events: not events)
    await people.at_rest()


async def refunded_amounts(people: People, booked: Booked) -> list[int]:
    return [refund["amount"] for refund in await people.refunds_of(booked.intent)]


async def test_every_kind_of_cancel_is_clean(people: People, tutormesh: Tutormesh) -> None:
    unpaid = await people.booked(await people.tutor(), lesson_time())
    free = await people.booked(await people.tutor(rate=0), lesson_time())
    for booked in (unpaid, free, *[await sell_lesson(people, in_hours(hours)) for hours in (30, 10, 1)]):
        await people.cancel(booked)
    answer = await tutormesh("audit")
    assert answer.exit_code == 0, answer.output


async def test_a_refund_of_a_cancel_that_failed_later_is_reported(people: People, tutormesh: Tutormesh) -> None:
    booked = await sell_lesson(people, in_hours(10))
    cancel = await people.cancel(booked)
    await people.until_state(cancel.saga_id, "REFUNDED")
    await wait_for_events(people, booked)
    await people.webhooks("drop")
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "failed")
    output = (await tutormesh("audit")).output
    assert f"{booked.intent} received $50.00, $50.00 of it is left, and cancel {cancel.saga_id} decided" in output
    assert f"is SUCCEEDED, the provider's {refund['id']} failed" in output
    await people.webhooks("normal")
    await people.redeliver((await people.event(booked.intent, "refund.failed"))["id"])
    await wait_until(lambda: refunded_amounts(people, booked), lambda amounts: len(amounts) == 2)
    await assert_clean(people.world)


async def test_a_refund_by_hand_is_clean_once_payment_svc_knows_of_it(people: People, peers: Peers) -> None:
    booked = await sell_lesson(people)
    await wait_for_events(people, booked)
    await people.webhooks("drop")
    await people.refund_by_hand(booked.intent, 700)
    (breach,) = (await audit_mesh(peers)).breaches
    assert (breach.invariant, breach.ids) == ("I8", (booked.payment, booked.intent))
    await people.webhooks("normal")
    await people.refund_by_hand(booked.intent, 300)
    await wait_until(lambda: people.refund_rows(booked), lambda rows: len(rows) == 2)
    await assert_clean(people.world)


async def test_a_full_refund_by_hand_of_a_lesson_to_come_is_reported_until_the_lesson_is_cancelled(
    people: People, peers: Peers
) -> None:
    booked = await sell_lesson(people)
    await people.refund_by_hand(booked.intent, 5000)
    await wait_until(lambda: people.refund_rows(booked), bool)
    assert [(breach.invariant, breach.ids) for breach in (await audit_mesh(peers)).breaches] == [
        ("I2", (booked.saga, booked.intent))
    ]
    await people.cancel(booked)
    await assert_clean(people.world)


async def test_a_dispute_is_no_breach_but_an_open_matter_until_a_person_closes_it(
    people: People, tutormesh: Tutormesh
) -> None:
    booked = await sell_lesson(people)
    await people.dispute(booked.intent)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    await assert_clean(people.world)
    (case,) = await people.world.sql("payment", "select id from saga where kind = 'DisputeCase' and not is_complete")
    waiting = await tutormesh("audit")
    assert waiting.exit_code == 0
    assert f"open: DisputeCase {case['id']} waits for a person: DISPUTED" in waiting.output
    assert f"do: look at `tutormesh saga show {case['id']}`" in waiting.output
    assert re.search(r"(?m)^clean: .*; 1 open matter$", waiting.output)
    (matter,) = json.loads((await tutormesh("audit", "--json")).output)["open_matters"]
    assert matter["saga_id"] == str(case["id"])
    assert "tutormesh_audit_open_matters 1\n" in (await tutormesh("audit", "--metrics")).output
    await people.resolve(str(case["id"]), "REFUNDED")
    assert "open" not in (await tutormesh("audit")).output
    assert (await people.saga(str(case["id"]))).resolved
    await assert_clean(people.world)


async def test_what_a_person_refunded_by_hand_is_not_refunded_again(people: People, tutormesh: Tutormesh) -> None:
    booked, cancel = await park_cancel(people)
    await people.refund_by_hand(booked.intent, 2500)
    await tutormesh("reconcile")
    assert await refunded_amounts(people, booked) == [2500]
    await people.resolve(cancel, "REFUNDED")
    await tutormesh("reconcile")
    await people.webhooks("normal")
    await people.redeliver((await people.event(booked.intent, "refund.created"))["id"])
    await wait_until(lambda: people.refund_rows(booked), lambda rows: {row["status"] for row in rows} >= {"SUCCEEDED"})
    await assert_clean(people.world)
    assert await refunded_amounts(people, booked) == [2500]
    assert sorted(row["reason"] for row in await people.refund_rows(booked)) == ["made_at_provider", "withdrawn"]


async def test_what_a_person_paid_back_elsewhere_is_not_refunded_by_a_later_event(people: People) -> None:
    booked, cancel = await park_cancel(people)
    await people.resolve(cancel, "REFUNDED")
    await people.webhooks("normal")
    await people.dispute(booked.intent)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.disputed)
    await assert_clean(people.world)
    assert await refunded_amounts(people, booked) == []


async def test_retry_finishes_a_parked_cancel_with_the_refund_it_decided(people: People, tutormesh: Tutormesh) -> None:
    booked, cancel = await park_cancel(people)
    assert (await tutormesh("saga", "retry", cancel)).exit_code == 0
    await people.until_state(cancel, "REFUNDED")
    assert await refunded_amounts(people, booked) == [2500]
    await assert_clean(people.world)


async def test_show_prints_the_refund_decision_of_a_cancel(people: People, tutormesh: Tutormesh) -> None:
    booked = await sell_lesson(people, in_hours(10))
    cancel = await people.cancel(booked)
    output = json.loads((await tutormesh("saga", "show", cancel.saga_id, "--json")).output)
    assert output["refund_due"] == {"amount_minor": 2500, "currency": "USD"}
    assert output["cancels_saga_id"] == booked.saga
    assert "$25.00" in (await tutormesh("saga", "show", cancel.saga_id)).output


async def test_lapsed_holds_are_cleaned_up_by_a_command(people: People, tutormesh: Tutormesh) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    lapse = "update hold set expires_at = now() - interval '1 hour' where saga_id = $1"
    for table in ("hold", "claim"):
        await people.world.sql("availability", lapse.replace("hold set", f"{table} set"), UUID(booked.saga))
    done = json.loads((await tutormesh("cleanup-holds", "--json")).output)
    assert done["claims"] >= 2
    assert await people.claims(booked.saga) == []
    assert (await tutormesh("cleanup-holds")).output == "deleted 0 claims of lapsed holds, 0 old blocks\n"


async def test_reconcile_twice_at_once_does_everything_once(people: People, tutormesh: Tutormesh) -> None:
    await people.webhooks("drop")
    paid = [await people.booked(await people.tutor(), lesson_time()) for _ in range(4)]
    for booked in paid:
        await people.pay(booked.intent)
    late = await people.booked(await people.tutor(), lesson_time())
    await people.cancel(late)
    orphaned = await people.create_intent(
        amount=5000, currency="usd", **{"payment_method_types[]": "card", "metadata[sagaId]": late.saga}
    )
    await people.pay(orphaned["id"])
    answers = await asyncio.gather(*(tutormesh("reconcile") for _ in range(3)))
    assert [answer.exit_code for answer in answers] == [0, 0, 0]
    for booked in paid:
        await people.until_state(booked.saga, "COMPLETED")
        assert await people.claims(booked.saga) == ["CONFIRMED", "CONFIRMED"]
        assert await refunded_amounts(people, booked) == []
    assert [refund["amount"] for refund in await people.refunds_of(orphaned["id"])] == [5000]
    await assert_clean(people.world)


async def test_the_textfile_collector_can_read_the_gauges(people: People, tutormesh: Tutormesh) -> None:
    booked = await sell_lesson(people)
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
