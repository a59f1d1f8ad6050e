"""A client knows an answer of the edge by its codes, or the answer is malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devkit.chaos.clients.apps import Malformed, parse_answer


def answer(data: Any = None, *codes: str) -> str:
    return json.dumps({"data": data, "errors": [{"message": "m", "extensions": {"code": code}} for code in codes]})


def payload(*refusals: str, retryable: bool = False, **facts: Any) -> dict[str, Any]:
    return {"bookSession": {**facts, "userErrors": [{"code": code, "retryable": retryable} for code in refusals]}}


def test_a_refusal_by_a_rule_is_final():
    refused = parse_answer(answer(payload("SLOT_TAKEN")))
    assert refused.refusals == {"SLOT_TAKEN"}
    assert not refused.is_for_later


@pytest.mark.parametrize("reason", ["TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"])
def test_a_retryable_refusal_is_for_later(reason: str):
    assert parse_answer(answer(payload(reason, retryable=True))).is_for_later


def test_an_unavailable_service_is_for_later_even_if_only_a_part_is_missing():
    assert parse_answer(answer(None, "UNAVAILABLE")).is_for_later
    assert parse_answer(answer(payload(booking=None), "UNAVAILABLE")).is_for_later
    assert parse_answer(answer(payload(enrollment=None), "UNAVAILABLE")).is_for_later
    assert not parse_answer(answer(payload(booking={"id": "b1"}))).is_for_later


def test_an_internal_error_is_recognized():
    assert parse_answer(answer(None, "INTERNAL")).codes == {"INTERNAL"}


@pytest.mark.parametrize(
    "body",
    [
        "Internal Server Error",
        "",
        "[]",
        '{"errors": [{"message": "no code"}]}',
        '{"data": null}',
        answer(payload("SLOT_TAKEN", retryable=True)),
        answer(payload("TRY_AGAIN", retryable=False)),
    ],
)
def test_any_other_answer_is_malformed(body: str):
    with pytest.raises(Malformed):
        parse_answer(body)
