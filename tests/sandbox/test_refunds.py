"""Refunds and disputes, through the official library."""

from __future__ import annotations

import pytest
import stripe

REFUND_FIELDS = """amount balance_transaction charge created currency customer customer_account destination_details id
    metadata object payment_intent payment_method reason receipt_number source_transfer_reversal status
    transfer_reversal""".split()


def types_of(state, subject: str) -> list[str]:
    """The events about one object, oldest first."""
    return [event["type"] for event in state["events"] if event["data"]["object"]["id"] == subject]


async def test_a_refund_without_an_amount_refunds_the_whole_charge(sandbox, client, pay):
    intent = await pay(5000)
    params = {"payment_intent": intent.id, "metadata": {"refundId": "r-1"}, "reason": "requested_by_customer"}
    refund = await client.v1.refunds.create_async(params=params)
    assert (refund.status, refund.amount, refund.payment_intent) == ("succeeded", 5000, intent.id)
    assert (refund.metadata.refundId, refund.reason) == ("r-1", "requested_by_customer")
    assert set(REFUND_FIELDS) <= set(refund.to_dict())
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded, charge.refunds.data[0].id) == (True, 5000, refund.id)
    state = await sandbox.state()
    assert types_of(state, refund.id) == ["refund.created"]
    assert types_of(state, charge.id) == ["charge.succeeded", "charge.refunded"]


async def test_parts_can_be_refunded_until_nothing_is_left(sandbox, client, pay):
    intent = await pay(5000)
    await client.v1.refunds.create_async(params={"payment_intent": intent.id, "amount": 2000})
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 2000)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as refused:
        await client.v1.refunds.create_async(params={"charge": charge.id, "amount": 3001})
    assert refused.value.param == "amount"
    rest = await client.v1.refunds.create_async(params={"charge": charge.id})
    assert rest.amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"


@pytest.mark.parametrize(("currency", "part", "wrong"), [("kwd", 630, 625), ("ugx", 2500, 2550), ("isk", 2500, 1)])
async def test_a_refund_ends_in_the_digits_of_its_currency(sandbox, client, pay, currency: str, part: int, wrong: int):
    intent = await pay(5000, currency=currency)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": intent.id, "amount": wrong})
    assert refused.value.param == "amount"
    assert (await sandbox.state())["refunds"] == []
    for amount in (part, None):
        params = {"payment_intent": intent.id} | ({"amount": amount} if amount else {})
        await client.v1.refunds.create_async(params=params)
    assert [refund["amount"] for refund in (await sandbox.state())["refunds"]] == [part, 5000 - part]


async def test_an_unpaid_intent_cannot_be_refunded(sandbox, client, pay):
    params = {"amount": 5000, "currency": "usd"}
    unpaid = await client.v1.payment_intents.create_async(params=params)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        await client.v1.refunds.create_async(params={"payment_intent": unpaid.id})
    with pytest.raises(stripe.CardError) as declined:
        await pay(card="pm_card_chargeDeclined")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"charge": declined.value.error.charge})
    assert refused.value.code == "charge_not_refundable"
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        await client.v1.refunds.create_async(params={})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": "pi_none"})
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"charge": "ch_none", "reason": "because"})
    assert refused.value.param == "reason"


async def test_a_pending_refund_counts_as_refunded_until_it_fails(sandbox, client, pay):
    intent = await pay(5000)
    await sandbox.fault("refund_pending", "/v1/refunds")
    refund = await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": intent.id, "amount": 1})
    assert refused.value.code == "charge_already_refunded"
    await sandbox.control(f"refunds/{refund.id}", status="failed")
    failed = await client.v1.refunds.retrieve_async(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "declined")
    assert failed.failure_balance_transaction
    events = types_of(await sandbox.state(), refund.id)
    assert events == ["refund.created", "charge.refund.updated", "refund.updated", "refund.failed"]
    assert (await client.v1.charges.retrieve_async(intent.latest_charge)).amount_refunded == 0
    assert (await client.v1.refunds.create_async(params={"payment_intent": intent.id})).status == "succeeded"


async def test_a_pending_refund_can_succeed_and_still_fail_later(sandbox, client, pay):
    intent = await pay(5000)
    await sandbox.fault("refund_pending", "/v1/refunds")
    refund = await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    done = await sandbox.control(f"refunds/{refund.id}", status="succeeded")
    assert (done["status"], "pending_reason" in done) == ("succeeded", False)
    await sandbox.control(f"refunds/{refund.id}", status="failed")
    again = await sandbox.http.post(f"{sandbox.url}/_sandbox/refunds/{refund.id}", data={"status": "succeeded"})
    assert again.status_code == 400
    assert types_of(await sandbox.state(), refund.id)[-1] == "refund.failed"


async def test_a_failed_refund_leaves_the_charge_as_it_was(sandbox, client, pay):
    intent = await pay(5000)
    await sandbox.fault("refund_failed", "/v1/refunds")
    refund = await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    assert (refund.status, refund.failure_reason) == ("failed", "declined")
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert "refund.failed" in types_of(await sandbox.state(), refund.id)
    assert (await client.v1.refunds.create_async(params={"payment_intent": intent.id})).status == "succeeded"


async def test_only_the_metadata_of_a_refund_can_change(sandbox, client, pay):
    intent = await pay()
    refund = await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    changed = await client.v1.refunds.update_async(refund.id, params={"metadata": {"refundId": "r-9"}})
    assert changed.metadata.refundId == "r-9"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.update_async(refund.id, params={"amount": 1})
    assert refused.value.code == "parameter_unknown"


async def test_refunds_are_listed_by_intent_and_by_charge(sandbox, client, pay):
    first, second = await pay(), await pay()
    for intent, amount in ((first, 100), (first, 200), (second, 300)):
        await client.v1.refunds.create_async(params={"payment_intent": intent.id, "amount": amount})
    by_intent = await client.v1.refunds.list_async(params={"payment_intent": first.id})
    assert [refund.amount for refund in by_intent.data] == [200, 100]
    by_charge = await client.v1.refunds.list_async(params={"charge": second.latest_charge, "limit": 1})
    assert ([refund.amount for refund in by_charge.data], by_charge.has_more) == ([300], False)


async def test_a_dispute_marks_the_charge_and_stops_refunds_until_it_is_won(sandbox, client, pay):
    intent = await pay()
    dispute = await sandbox.control("disputes", payment_intent=intent.id)
    assert (await client.v1.charges.retrieve_async(intent.latest_charge)).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    assert (await sandbox.control(f"disputes/{dispute['id']}", status="won"))["status"] == "won"
    assert (await client.v1.refunds.create_async(params={"payment_intent": intent.id})).status == "succeeded"
    assert types_of(await sandbox.state(), dispute["id"]) == ["charge.dispute.created", "charge.dispute.closed"]
    listed = await client.v1.disputes.list_async(params={"payment_intent": intent.id})
    assert [found.status for found in listed.data] == ["won"]


async def test_a_bad_dispute_is_refused(sandbox, client, pay):
    paid = await pay()
    unpaid = await client.v1.payment_intents.create_async(params={"amount": 5000, "currency": "usd"})
    dispute = await sandbox.control("disputes", payment_intent=paid.id)
    await sandbox.control(f"disputes/{dispute['id']}", status="lost")
    for path, body in (
        ("disputes", {}),
        ("disputes", {"payment_intent": unpaid.id}),
        ("disputes", {"payment_intent": paid.id}),
        (f"disputes/{dispute['id']}", {"status": "won"}),
        (f"disputes/{dispute['id']}", {}),
        (f"refunds/{dispute['id']}", {}),
    ):
        answer = await sandbox.http.post(f"{sandbox.url}/_sandbox/{path}", data=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error"), path
    unknown = await sandbox.http.post(f"{sandbox.url}/_sandbox/refunds/re_none", json={"status": "failed"})
    assert unknown.status_code == 404
