"""A sandbox in the tests' own event loop, a receiver for its webhooks, and the official library as its client."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devkit.sandbox.__main__ import listen
from devkit.sandbox.app import build
from devkit.sandbox.settings import Settings

WEBHOOK_SECRET = "whsec_test"
FORM = {"Authorization": "Bearer sk_test_sandbox"}


class InLoopServer(uvicorn.Server):
    """uvicorn in the tests' own loop; pytest keeps handling the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an app on a free port, and yield its URL."""
    listener = listen("127.0.0.1", 0)
    server = InLoopServer(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_keep_alive=60, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def wait_until(condition: Callable[[], Any], seconds: float = 8.0) -> Any:
    """Wait until a condition gives something true, and return that. Fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        await asyncio.sleep(0.01)
    return value


@dataclass
class Receiver:
    """The receiver of the webhooks. It answers with `statuses` first, and then with 200."""

    url: str = ""
    received: list[tuple[bytes, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    refused_type: str = ""

    async def take(self, request: Request) -> Response:
        payload = await request.body()
        self.received.append((payload, request.headers["stripe-signature"]))
        if self.refused_type and self.refused_type.encode() in payload:
            return Response(status_code=500)
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def events(self) -> list[stripe.Event]:
        """The events that arrived; the official library has verified each signature."""
        verify = stripe.Webhook.construct_event
        return [verify(payload, signature, WEBHOOK_SECRET) for payload, signature in self.received]

    def types(self) -> list[str]:
        return [event.type for event in self.events()]


@dataclass
class Sandbox:
    """A running sandbox, called over HTTP."""

    url: str
    http: httpx.AsyncClient

    async def call(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request with the secret key."""
        headers = {**FORM, **how.pop("headers", {})}
        return await self.http.request(method, self.url + path, headers=headers, **how)

    async def control(self, name: str, verb: str = "POST", /, **body: Any) -> Any:
        answer = await self.http.request(verb, f"{self.url}/_sandbox/{name}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fault(self, fault: str, path: str = "/v1/payment_intents", **more: Any) -> None:
        await self.control("faults", method="POST", fault=fault, path=path, **more)

    async def state(self) -> dict[str, Any]:
        answer = await self.http.get(f"{self.url}/_sandbox/state")
        return dict(answer.json())


@pytest_asyncio.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    receiving = Receiver()
    async with serving(Starlette(routes=[Route("/hook", receiving.take, methods=["POST"])])) as url:
        receiving.url = f"{url}/hook"
        yield receiving


@pytest_asyncio.fixture(scope="module")
async def running(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    data = tmp_path_factory.mktemp("sandbox")
    app = build(Settings(data=str(data), webhook_url=receiver.url, webhook_secret=WEBHOOK_SECRET))
    async with serving(app) as url, httpx.AsyncClient() as http:
        yield Sandbox(url, http)


@pytest_asyncio.fixture
async def sandbox(running: Sandbox, receiver: Receiver) -> Sandbox:
    """The module's sandbox, cleared."""
    await running.control("state", "DELETE")
    receiver.received, receiver.statuses, receiver.refused_type = [], [], ""
    return running


@pytest_asyncio.fixture(scope="module")
async def client(running: Sandbox) -> AsyncIterator[stripe.StripeClient]:
    http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(5))
    yield stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": running.url}, http_client=http, max_network_retries=0
    )
    await http.close_async()


@pytest.fixture
def pay(client: stripe.StripeClient) -> Callable[..., Any]:
    """Makes an intent and confirms it with a card."""

    async def pay_intent(amount: int = 5000, card: str = "pm_card_visa", **params: Any) -> stripe.PaymentIntent:
        create = {"amount": amount, "currency": "usd", "payment_method_types": ["card"], **params}
        intent = await client.v1.payment_intents.create_async(params=create)
        return await client.v1.payment_intents.confirm_async(intent.id, params={"payment_method": card})

    return pay_intent


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def serve() -> Any:
    return serving


@pytest.fixture
def make_app() -> Callable[..., Starlette]:
    def make(data: Path, webhook_url: str = "", **more: Any) -> Starlette:
        return build(Settings(data=str(data), webhook_url=webhook_url, webhook_secret=WEBHOOK_SECRET, **more))

    return make
