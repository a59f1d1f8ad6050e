"""PaymentIntents, through the official library."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

CARD = {"amount": 5000, "currency": "usd", "payment_method_types": ["card"]}
# From Stripe's published fixtures.
INTENT_FIELDS = """amount amount_capturable amount_details amount_received application application_fee_amount
    automatic_payment_methods canceled_at cancellation_reason capture_method client_secret confirmation_method created
    currency customer customer_account description excluded_payment_method_types id last_payment_error latest_charge
    livemode managed_payments metadata next_action object on_behalf_of payment_method
    payment_method_configuration_details payment_method_options payment_method_types processing receipt_email review
    setup_future_usage shipping source statement_descriptor statement_descriptor_suffix status transfer_data
    transfer_group""".split()
CHARGE_FIELDS = """amount amount_captured amount_refunded application application_fee application_fee_amount
    balance_transaction billing_details calculated_statement_descriptor captured created currency customer description
    disputed failure_balance_transaction failure_code failure_message fraud_details id livemode metadata object
    on_behalf_of outcome paid payment_intent payment_method payment_method_details receipt_email receipt_number
    receipt_url refunded refunds review shipping source source_transfer statement_descriptor
    statement_descriptor_suffix status transfer_data transfer_group""".split()


async def test_a_new_intent_waits_for_a_payment_method(sandbox, client):
    metadata = {"sagaId": "s-1", "ключ": "значение & = ü"}
    intent = await client.v1.payment_intents.create_async(params={**CARD, "metadata": metadata})
    assert (intent.status, intent.amount, intent.currency) == ("requires_payment_method", 5000, "usd")
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    assert intent.metadata.to_dict() == metadata
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).to_dict() == intent.to_dict()


async def test_objects_have_every_field_that_stripe_sends(sandbox, client, pay):
    intent = await pay()
    shown = (await sandbox.call("GET", f"/v1/payment_intents/{intent.id}")).json()
    assert set(INTENT_FIELDS) <= set(shown)
    charge = (await sandbox.call("GET", f"/v1/charges/{shown['latest_charge']}")).json()
    assert set(CHARGE_FIELDS) <= set(charge)
    method = await client.v1.payment_methods.retrieve_async(shown["payment_method"])
    assert (method.type, method.card.brand, method.card.last4) == ("card", "visa", "4242")


async def test_a_good_card_pays(sandbox, client, pay):
    intent = await pay(metadata={"sagaId": "s-1"})
    assert (intent.status, intent.amount_received) == ("succeeded", 5000)
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert charge.paid
    assert (charge.payment_intent, charge.amount_captured, charge.metadata.sagaId) == (intent.id, 5000, "s-1")


async def test_an_intent_can_be_created_with_its_card_and_confirmed_later(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params={**CARD, "payment_method": "pm_card_visa"})
    assert intent.status == "requires_confirmation"
    assert (await client.v1.payment_intents.confirm_async(intent.id)).status == "succeeded"


async def test_an_intent_can_be_created_and_confirmed_in_one_call(sandbox, client):
    params = {"amount": 5000, "currency": "USD", "payment_method": "pm_card_mastercard", "confirm": True}
    intent = await client.v1.payment_intents.create_async(params=params)
    assert (intent.status, intent.currency, intent.automatic_payment_methods.enabled) == ("succeeded", "usd", True)


async def test_a_payment_method_made_before_can_be_used_again_by_its_id(sandbox, client, pay):
    first = await pay()
    again = await pay(card=first.payment_method)
    assert (again.status, again.payment_method) == ("succeeded", first.payment_method)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
async def test_after_a_declined_card_the_charge_is_failed_and_another_card_can_pay(
    sandbox, client, pay, card, code, decline_code
):
    with pytest.raises(stripe.CardError) as declined:
        await pay(card=card)
    error = declined.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    intent = await client.v1.payment_intents.retrieve_async(error.error.payment_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert (intent.last_payment_error.code, intent.last_payment_error.charge) == (code, intent.latest_charge)
    charge = await client.v1.charges.retrieve_async(intent.latest_charge)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, code)
    paid = await client.v1.payment_intents.confirm_async(intent.id, params={"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


async def test_a_card_that_needs_authentication_pays_after_it(sandbox, client, pay):
    intent = await pay(card="pm_card_authenticationRequired")
    assert (intent.status, intent.next_action.type, intent.latest_charge) == ("requires_action", "use_stripe_sdk", None)
    answer = await sandbox.http.post(f"{sandbox.url}/v1/payment_intents/{intent.id}/_authenticate")  # a bank has no key
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).amount_received == 5000


async def test_after_a_failed_authentication_another_card_is_needed(sandbox, client, pay):
    intent = await pay(card="pm_card_authenticationRequired")
    await sandbox.call("POST", f"/v1/payment_intents/{intent.id}/_authenticate", data={"outcome": "failed"})
    intent = await client.v1.payment_intents.retrieve_async(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    again = await sandbox.call("POST", f"/v1/payment_intents/{intent.id}/_authenticate")
    assert (again.status_code, again.json()["error"]["code"]) == (400, "payment_intent_unexpected_state")


async def test_a_paid_intent_cannot_be_confirmed_or_cancelled(sandbox, client, pay):
    intent = await pay()
    for forbidden in (client.v1.payment_intents.confirm_async, client.v1.payment_intents.cancel_async):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await forbidden(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.error.payment_intent.status == "succeeded"
    assert len((await sandbox.state())["charges"]) == 1


async def test_a_cancelled_intent_can_never_be_paid(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params=CARD)
    cancelled = await client.v1.payment_intents.cancel_async(intent.id, params={"cancellation_reason": "abandoned"})
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    assert cancelled.canceled_at >= intent.created
    for again in (
        client.v1.payment_intents.cancel_async(intent.id),
        client.v1.payment_intents.confirm_async(intent.id, params={"payment_method": "pm_card_visa"}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await again
        assert refused.value.code == "payment_intent_unexpected_state"


async def test_confirming_without_a_payment_method_is_refused(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params=CARD)
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        await client.v1.payment_intents.confirm_async(intent.id)


async def test_only_editable_fields_can_be_changed(sandbox, client, pay):
    intent = await client.v1.payment_intents.create_async(params={**CARD, "metadata": {"a": "1", "b": "2"}})
    update = {"amount": 7000, "currency": "eur", "description": "lesson", "metadata": {"a": "", "c": "3"}}
    changed = await client.v1.payment_intents.update_async(intent.id, params=update)
    assert (changed.amount, changed.currency, changed.description) == (7000, "eur", "lesson")
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    chosen = await client.v1.payment_intents.update_async(intent.id, params={"payment_method": "pm_card_visa"})
    assert chosen.status == "requires_confirmation"
    emptied = await client.v1.payment_intents.update_async(intent.id, params={"metadata": ""})
    assert emptied.metadata.to_dict() == {}
    paid = await pay()
    marked = await client.v1.payment_intents.update_async(paid.id, params={"metadata": {"seen": "yes"}})
    assert marked.metadata.seen == "yes"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.update_async(paid.id, params={"amount": 100})
    assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": ""}, "parameter_invalid_empty", "amount"),
        ({"amount": "10.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": 1255, "currency": "kwd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 5050, "currency": "ugx"}, "invalid_charge_amount_no_decimal_compatible", "amount"),
        ({"amount": 505001, "currency": "isk"}, "invalid_charge_amount_no_decimal_compatible", "amount"),
        ({"amount": 100_000_000, "currency": "ugx"}, "amount_too_large", "amount"),
        ({"amount": 49, "currency": "idr"}, "amount_too_small", "amount"),
        ({"amount": 10**12, "currency": "idr"}, "amount_too_large", "amount"),
        ({"amount": 99, "currency": "lbp"}, "amount_too_small", "amount"),
        ({"currency": None}, "parameter_missing", "currency"),
        ({"currency": "xxx"}, None, "currency"),
        ({"currency": {"a": "b"}}, None, "currency"),
        ({"payment_method_types": ["sepa_debit"]}, "payment_intent_invalid_parameter", "payment_method_types"),
        ({"payment_method_types": [{"a": "card"}]}, None, "payment_method_types"),
        ({"payment_method": "pm_unknown"}, "resource_missing", "payment_method"),
        ({"capture_method": "manual"}, None, "capture_method"),
        ({"confirm": "perhaps"}, None, "confirm"),
        ({"surprise": "1"}, "parameter_unknown", "surprise"),
        ({"metadata": "text"}, None, "metadata"),
        ({"metadata": {"k": {"deep": "1"}}}, None, "metadata[k]"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
        ({"description": "d" * 5001}, "parameter_invalid_string_length", "description"),
    ],
)
async def test_bad_parameters_are_refused_by_name(sandbox, client, change: dict[str, Any], code, param):
    params = {name: value for name, value in {**CARD, **change}.items() if value is not None}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.create_async(params=params)
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)
    assert (await sandbox.state())["payment_intents"] == []


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (1250, "kwd"),
        (5_000_000, "ugx"),
        (100, "isk"),
        (999_999_999_999, "idr"),
        (50, "jpy"),
        (1, "vnd"),
        (17_555, "huf"),
    ],
)
async def test_an_amount_within_its_currencys_rules_is_taken(sandbox, client, amount: int, currency: str):
    intent = await client.v1.payment_intents.create_async(params={**CARD, "amount": amount, "currency": currency})
    assert (intent.amount, intent.currency) == (amount, currency)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.update_async(intent.id, params={"amount": 100_000_001, "currency": "kwd"})


async def test_an_unknown_intent_is_a_404(sandbox, client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.retrieve_async("pi_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert "No such payment_intent: 'pi_none'" in str(refused.value)


async def test_a_browser_pays_with_the_publishable_key_and_the_client_secret(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params={**CARD, "metadata": {"sagaId": "s-1"}})
    browser = {"Authorization": "Bearer pk_test_sandbox"}
    path = f"/v1/payment_intents/{intent.id}"
    seen = await sandbox.call("GET", path, params={"client_secret": intent.client_secret}, headers=browser)
    assert seen.json()["status"] == "requires_payment_method"
    assert "metadata" not in seen.json()
    form = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa", "key": "pk_test_sandbox"}
    paid = await sandbox.http.post(f"{sandbox.url}{path}/confirm", data=form, headers={"Origin": "https://shop.test"})
    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")
    assert paid.headers["access-control-allow-origin"] == "*"


async def test_the_publishable_key_is_refused_without_the_client_secret(sandbox, client):
    intent = await client.v1.payment_intents.create_async(params=CARD)
    browser = {"Authorization": "Bearer pk_test_sandbox"}
    path = f"/v1/payment_intents/{intent.id}"
    missing = await sandbox.call("POST", f"{path}/confirm", data={"payment_method": "pm_card_visa"}, headers=browser)
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "client_secret")
    wrong = await sandbox.call("GET", path, params={"client_secret": "pi_secret_x"}, headers=browser)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "client_secret")
    listed = await sandbox.call("GET", "/v1/payment_intents", headers=browser)
    assert (listed.status_code, listed.json()["error"]["code"]) == (403, "secret_key_required")


async def test_expanding_replaces_an_id_by_its_object(sandbox, client, pay):
    intent = await pay()
    shown = await client.v1.payment_intents.retrieve_async(
        intent.id, params={"expand": ["latest_charge.payment_intent", "payment_method", "unknown.path"]}
    )
    assert shown.latest_charge.payment_intent.id == intent.id
    assert shown.payment_method.object == "payment_method"
    charges = await client.v1.charges.list_async(params={"expand": ["data.payment_intent"]})
    assert charges.data[0].payment_intent.id == intent.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.retrieve_async(intent.id, params={"expand": ["a.b.c.d.e"]})
    assert refused.value.code == "property_expansion_max_depth"
