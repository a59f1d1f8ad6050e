"""The sandbox's form in a browser: three calls go through the edge, to a real sandbox, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bff.app import build
from bff.peers import Peers
from bff.settings import Options, Settings
from devkit.ports import reserve_port
from devkit.sandbox.app import build as build_sandbox
from devkit.sandbox.settings import Settings as SandboxSettings
from mesh.identity import Verifier
from tests.world import WEBHOOK_SECRET, _http

KEY = "pk_test_sandbox"
SECRET_KEY = {"authorization": "Bearer sk_test_sandbox"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    port, folder = reserve_port(), tmp_path_factory.mktemp("sandbox")
    nowhere = "http://127.0.0.1:9/webhooks"
    settings = SandboxSettings(data=str(folder), port=port, webhook_url=nowhere, webhook_secret=WEBHOOK_SECRET)
    async with _http(build_sandbox(settings), port, lifespan="on"):
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture
async def browser(peers: Peers, verifier: Verifier, sandbox_url: str) -> AsyncIterator[httpx.AsyncClient]:
    options = Options(publishable_key=KEY, sandbox_url=sandbox_url)
    transport = httpx.ASGITransport(app=build(peers, verifier, options=options))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        yield client


@pytest_asyncio.fixture
async def intent(sandbox_url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=sandbox_url, headers=SECRET_KEY) as client:
        made: dict[str, Any] = (
            await client.post("/v1/payment_intents", data={"amount": 5000, "currency": "eur"})
        ).json()
        return made


async def call(browser: httpx.AsyncClient, intent: dict[str, Any], verb: str, **more: str) -> httpx.Response:
    form = {"key": KEY, "client_secret": intent["client_secret"], **more}
    return await browser.post(f"/sandbox/payment_intents/{intent['id']}/{verb}", data=form)


async def test_a_good_card_pays(browser: httpx.AsyncClient, intent: dict[str, Any]) -> None:
    answer = await call(browser, intent, "confirm", payment_method="pm_card_visa")
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert (await call(browser, intent, "retrieve")).json()["status"] == "succeeded"


async def test_a_decline_arrives_as_the_sandbox_says_it(browser: httpx.AsyncClient, intent: dict[str, Any]) -> None:
    answer = await call(browser, intent, "confirm", payment_method="pm_card_chargeDeclinedInsufficientFunds")
    assert answer.status_code == 402
    assert (answer.json()["error"]["type"], answer.json()["error"]["decline_code"]) == (
        "card_error",
        "insufficient_funds",
    )


@pytest.mark.parametrize(("outcome", "status"), [("succeeded", "succeeded"), ("failed", "requires_payment_method")])
async def test_the_banks_page_ends_3d_secure(
    browser: httpx.AsyncClient, intent: dict[str, Any], outcome: str, status: str
) -> None:
    answer = await call(browser, intent, "confirm", payment_method="pm_card_authenticationRequired")
    assert answer.json()["status"] == "requires_action"
    ended = await browser.post(f"/sandbox/payment_intents/{intent['id']}/_authenticate", data={"outcome": outcome})
    assert (ended.status_code, ended.json()["status"]) == (200, status)
    page = await browser.get("/sandbox/authenticate")
    assert page.status_code == 200 and "/pages/sandbox/challenge.js" in page.text


async def test_the_client_secret_decides(browser: httpx.AsyncClient, intent: dict[str, Any]) -> None:
    forged = intent | {"client_secret": f"{intent['id']}_secret_forged"}
    for verb in ("confirm", "retrieve"):
        assert (await call(browser, forged, verb, payment_method="pm_card_visa")).status_code in (400, 401, 404)
    assert (await call(browser, intent, "retrieve")).json()["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    "path",
    [
        "/sandbox/payment_intents/{id}",
        "/sandbox/payment_intents/{id}/cancel",
        "/sandbox/payment_intents/{id}/capture",
        "/sandbox/payment_intents/{id}%2F..%2Fx/confirm",
        "/sandbox/payment_intents/..%2f..%2f_sandbox%2fstate/confirm",
        "/sandbox/payment_intents/pi_x%3Fa=b/confirm",
        "/sandbox/payment_intents/search/confirm",
        "/sandbox/_sandbox/faults",
        "/sandbox/v1/refunds",
    ],
)
async def test_nothing_else_is_passed_on(browser: httpx.AsyncClient, intent: dict[str, Any], path: str) -> None:
    answer = await browser.post(path.format(id=intent["id"]), data={"key": KEY})
    assert answer.status_code == 404
    assert (await call(browser, intent, "retrieve")).json()["status"] == "requires_payment_method"


async def test_a_large_body_is_refused(browser: httpx.AsyncClient, intent: dict[str, Any]) -> None:
    assert (await call(browser, intent, "confirm", payment_method="x" * 5000)).status_code == 413


async def test_a_sandbox_that_is_away_is_503(peers: Peers, verifier: Verifier) -> None:
    options = Options(publishable_key=KEY, sandbox_url=f"http://127.0.0.1:{reserve_port()}")
    transport = httpx.ASGITransport(app=build(peers, verifier, options=options))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.post("/sandbox/payment_intents/pi_1/confirm", data={"key": KEY})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TRY_AGAIN")


@pytest.mark.parametrize(
    "path",
    [
        "/sandbox/authenticate",
        "/sandbox/payment_intents/pi_1/confirm",
        "/pages/sandbox/stripe.js",
        "/pages/sandbox/challenge.js",
    ],
)
async def test_without_the_sandbox_there_is_no_such_path(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404
    assert (await http.post(path)).status_code in (404, 405)


async def test_no_secret_of_a_payment_is_logged(
    browser: httpx.AsyncClient, intent: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    await call(browser, intent, "confirm", payment_method="pm_card_visa")
    logged = "".join(capfd.readouterr())
    assert "route=/sandbox/payment_intents/{intent}/confirm" in logged
    assert intent["client_secret"] not in logged
    assert intent["id"] not in logged


@pytest.mark.parametrize(
    ("changed", "url"),
    [
        ({"stripe_publishable_key": KEY, "stripe_api_base": "http://sandbox:12111"}, "http://sandbox:12111"),
        ({"stripe_publishable_key": "pk_test_1", "stripe_api_base": "http://sandbox:12111"}, None),
        ({"stripe_api_base": "http://sandbox:12111"}, None),
        ({"stripe_publishable_key": KEY}, None),
        ({"stripe_publishable_key": KEY, "stripe_api_base": "http://s:1", "tutormesh_env": "production"}, None),
    ],
)
def test_the_sandbox_is_the_provider_by_its_own_key_alone(
    edge_settings: Settings, changed: dict[str, str], url: str | None
) -> None:
    settings = edge_settings.model_copy(update={"stripe_publishable_key": None, "stripe_api_base": None, **changed})
    assert settings.options().sandbox_url == url
