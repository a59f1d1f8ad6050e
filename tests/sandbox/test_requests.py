"""Keys, routes and bodies: the sandbox refuses every malformed request."""

from __future__ import annotations

import random
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.sandbox.wire import forms
from devkit.sandbox.wire.errors import ApiError
from devkit.sandbox.wire.params import Params

INTENTS = "/v1/payment_intents"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "authorization", ["", "Bearer sk_live_other", "Bearer", "Basic !!!", "Basic /w==", "Digest sk_test_sandbox"]
)
async def test_a_request_without_a_valid_key_is_refused(sandbox, authorization):
    answer = await sandbox.call("GET", INTENTS, headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.headers["request-id"].startswith("req_")
    assert "other" not in answer.text


async def test_the_secret_key_may_be_sent_as_a_user_name(sandbox):
    basic = b64encode(b"sk_test_sandbox:").decode()
    answer = await sandbox.call("GET", INTENTS, headers={"Authorization": f"Basic {basic}", "Stripe-Version": "2020"})
    assert (answer.status_code, answer.headers["stripe-version"]) == (200, "2020")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/unknown"), ("DELETE", "/v1/refunds"), ("GET", "/"), ("GET", "/v1/charges/"), ("PUT", INTENTS)],
)
async def test_an_unknown_route_is_refused_in_stripes_format(sandbox, method, path):
    answer = await sandbox.call(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: {path})")


async def test_healthz_answers_ok(sandbox):
    assert (await sandbox.http.get(f"{sandbox.url}/healthz")).text == "ok"


@pytest.mark.parametrize(
    "body",
    [b"amount=%ff", b"\xff\xfe=1", b"a[b=1", b"[a]=1", b"a]=1", b"a=1&a[b]=2", b"a[b]=2&a=1", b"a[b]=1&a[b][c]=2",
     b"a[b][c][d][e][f][g][h][i]=1", b"&".join(b"x=1" for _ in range(1001))],
)  # fmt: skip
async def test_a_malformed_form_is_a_400(sandbox, body):
    answer = await sandbox.call("POST", INTENTS, content=body, headers=FORM)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_a_json_body_and_a_body_that_is_too_large_are_refused(sandbox):
    assert (await sandbox.call("POST", INTENTS, json={"amount": 5000})).status_code == 400
    assert (await sandbox.call("POST", INTENTS, content=b"x" * 1_000_001, headers=FORM)).status_code == 413


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100_000, b'{"a": "\\ud800"}', b"{\xff}"])
async def test_a_malformed_control_request_is_a_400(sandbox, body):
    answer = await sandbox.http.post(f"{sandbox.url}/_sandbox/faults", content=body)
    assert answer.status_code == 400


async def test_random_bodies_never_break_the_server(sandbox):
    dice = random.Random(7)
    alphabet = b"amountcurreyd[]=&%0159\x00\xff'\"{}.:-+ "
    paths = [
        INTENTS,
        "/v1/refunds",
        f"{INTENTS}/pi_x/confirm",
        "/_sandbox/faults",
        "/_sandbox/webhooks",
        "/_sandbox/disputes",
    ]
    for _ in range(400):
        body = bytes(dice.choice(alphabet) for _ in range(dice.randrange(60)))
        answer = await sandbox.call("POST", dice.choice(paths), content=body, headers=FORM)
        assert answer.status_code in (200, 400, 404), body


async def test_a_bug_is_a_500_that_stores_nothing(sandbox, monkeypatch, caplog):
    def fail(*_args, **_more):
        raise RuntimeError("a bug")

    monkeypatch.setattr("devkit.sandbox.resources.shapes.charge", fail)
    intent = (await sandbox.call("POST", INTENTS, data={"amount": "5000", "currency": "usd"})).json()
    broken = await sandbox.call(
        "POST",
        f"{INTENTS}/{intent['id']}/confirm",
        data={"payment_method": "pm_card_visa"},
        headers={"Idempotency-Key": "k1"},
    )
    assert (broken.status_code, broken.json()["error"]["type"]) == (500, "api_error")
    assert "a bug" not in broken.text
    state = await sandbox.state()
    assert (state["charges"], state["payment_intents"]) == ([], [intent])
    assert "an operation failed" in caplog.text


def test_a_form_becomes_nested_parameters():
    body = b"amount=1&metadata[a b]=x%26y&expand[]=one&expand[]=two&types[1]=b&types[0]=a&created[gte]=5"
    params = Params(forms.decode(body))
    assert params.raw["metadata"] == {"a b": "x&y"}
    assert params.raw["created"] == {"gte": "5"}
    assert (params.strings("expand"), params.strings("types")) == (["one", "two"], ["a", "b"])
    assert (params.strings("amount"), params.strings("none")) == (["1"], [])


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_parameters_or_a_refusal(body):
    try:
        Params(forms.decode(body)).metadata({})
    except ApiError as refusal:
        assert refusal.status == 400
