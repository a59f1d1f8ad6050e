"""The page to pay on where Stripe itself takes the money. The browser's network stands in for Stripe's hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from bff.app import build
from bff.peers import Peers
from bff.settings import Options, Settings
from devkit.ports import reserve_port
from tests.pages.purchases import Checkout
from tests.world import World, _http

KEY = "pk_test_of_a_school"
STRIPE = ("https://js.stripe.com", "https://api.stripe.com")
#: What the page uses of Stripe.js, with a frame from Stripe's host, and calls of its API (stripe.com/docs/js).
STRIPE_JS = """(() => {
  const seen = globalThis.seen = { search: location.search };
  const ask = async (verb, secret) => {
    const url = `https://api.stripe.com/v1/payment_intents/${secret.split("_secret_")[0]}/${verb}`;
    return { paymentIntent: await (await fetch(url, { method: "POST" })).json() };
  };
  window.Stripe = (key, options) => {
    Object.assign(seen, { key, ...options });
    return {
      elements(given) {
        Object.assign(seen, given);
        return { create: (kind) => ({
          on: (event, listener) => { seen[event] = listener; },
          mount(place) {
            const frame = document.createElement("iframe");
            Object.assign(frame, { src: "https://js.stripe.com/v3/inner.html", title: kind, onload: () => seen.ready() });
            document.querySelector(place).append(frame);
          },
          destroy() {},
        }) };
      },
      retrievePaymentIntent: (secret) => ask("retrieve", secret),
      confirmPayment: ({ confirmParams, redirect }) => {
        Object.assign(seen, confirmParams, { redirect });
        return ask("confirm", seen.clientSecret);
      },
    };
  };
})()"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def live_edge(world: World) -> AsyncIterator[str]:
    """The address of an edge with a publishable key of the school's own, and without the sandbox."""
    port = reserve_port()
    addresses = {f"{name}_address": f"127.0.0.1:{at}" for name, at in world.ports.items()}
    settings = Settings(_env_file=None, port=port, service_token_file=Path("none"), **addresses, **world.auth)
    async with Peers(settings, world.credentials("bff")) as peers:
        app = build(peers, world.verifier, options=Options(publishable_key=KEY))
        async with _http(app, port, lifespan="off"):
            yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def live(live_edge, open_window, people) -> Checkout:
    """The page to pay on, in a window that reaches that edge and Stripe."""
    checkout = Checkout(await open_window(live_edge, *STRIPE))

    async def answer(route: Route) -> None:
        assert "referer" not in route.request.headers
        *_, intent, verb = route.request.url.split("/")
        if route.request.url.startswith("https://api.stripe.com"):
            if verb == "confirm":
                await people.pay(intent)
            told = {"status": (await people.intent(intent))["status"]}
            await route.fulfill(json=told, headers={"access-control-allow-origin": "*"})
        elif verb == "inner.html":
            await route.fulfill(body="<!doctype html><title>A form</title>", content_type="text/html")
        else:
            await route.fulfill(body=STRIPE_JS, content_type="text/javascript")

    await checkout.visitor.context.route("https://*.stripe.com/**", answer)
    return checkout


async def test_stripes_form_is_shown_with_our_key_and_pays(world, live_edge, live, lesson):
    await live.open(lesson.checkout_url.replace(world.bff_url, live_edge))
    seen = await live.page.evaluate("() => ({ ...seen, ready: null, loaderror: null })")
    assert (seen["key"], seen["clientSecret"], seen["locale"]) == (KEY, lesson.client_secret, "en")
    await expect(live.page.locator("#payment-element iframe")).to_be_visible()
    await live.pay_button.click()
    await live.shows("confirmed")
    seen = await live.page.evaluate("() => ({ ...seen, ready: null, loaderror: null })")
    assert (seen["return_url"], seen["redirect"]) == (live.page.url, "if_required")
    scripts = [answer.url for answer in live.visitor.answers() if answer.request.resource_type == "script"]
    assert [url for url in scripts if not url.startswith(live_edge)] == ["https://js.stripe.com/v3/"]


async def test_whoever_comes_back_from_stripe_has_no_secret_in_the_address_before_its_script_runs(
    world, live_edge, live, people, lesson
):
    await people.webhooks("drop")
    await people.pay(lesson.payment_intent_id)
    page = lesson.checkout_url.replace(world.bff_url, live_edge)
    secret = f"payment_intent_client_secret={lesson.client_secret}"
    await live.page.goto(f"{page}?payment_intent={lesson.payment_intent_id}&{secret}&redirect_status=succeeded")
    await live.shows("confirmed")
    assert live.page.url == page
    assert await live.page.evaluate("() => seen.search") == ""
    assert lesson.client_secret not in await live.visitor.held()
