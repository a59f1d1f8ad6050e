"""An answer of the edge is known by its codes, or it is malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devkit.chaos.client import Malformed, read


def answer(data: Any = None, *codes: str) -> str:
    return json.dumps({"data": data, "errors": [{"message": "m", "extensions": {"code": code}} for code in codes]})


def payload(*refusals: str, retryable: bool = False, **facts: Any) -> dict[str, Any]:
    return {"bookSession": {**facts, "userErrors": [{"code": code, "retryable": retryable} for code in refusals]}}


def test_a_refusal_by_a_rule_is_final():
    told = read(answer(payload("SLOT_TAKEN")))
    assert told.refusals == {"SLOT_TAKEN"}
    assert not told.is_for_later


@pytest.mark.parametrize("reason", ["TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"])
def test_what_is_retryable_is_asked_again(reason: str):
    assert read(answer(payload(reason, retryable=True))).is_for_later


def test_a_service_that_is_away_is_asked_again_also_for_a_part():
    assert read(answer(None, "UNAVAILABLE")).is_for_later
    assert read(answer(payload(booking=None), "UNAVAILABLE")).is_for_later
    assert read(answer(payload(enrollment=None), "UNAVAILABLE")).is_for_later
    assert not read(answer(payload(booking={"id": "b1"}))).is_for_later


def test_an_internal_error_is_known_as_such():
    assert read(answer(None, "INTERNAL")).codes == {"INTERNAL"}


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
def test_anything_else_is_malformed(body: str):
    with pytest.raises(Malformed):
        read(body)
