"""GET /checkout/{token}: what is bought, how long it is held, how to pay, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.pages import shapes
from bff.pages.asking import Links, check_token
from bff.pages.languages import reader_of
from bff.pages.problems import page_or_problem
from bff.pages.render import page
from bff.pages.words import describe_purchase
from bff.peers import READ_SECONDS
from bff.settings import Options
from mesh.production import SANDBOX_KEYS
from tutormesh.payment.v1 import link_pb2

PATH: Final = "/checkout/{token}"
#: Stripe: "Integration security guide", Content Security Policy. Stripe.js must come from Stripe's own host.
STRIPE_SCRIPT: Final = "https://js.stripe.com/v3/"
STRIPE_POLICY: Final[Mapping[str, tuple[str, ...]]] = {
    "script-src": ("https://js.stripe.com", "https://*.js.stripe.com"),
    "frame-src": ("https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"),
    "connect-src": ("https://api.stripe.com",),
}
SANDBOX_SCRIPT: Final = "/pages/sandbox/stripe.js"
#: The sandbox's cards: the name of a text, and Stripe's name for such a card.
TEST_CARDS: Final = (
    ("good", "pm_card_visa"),
    ("declined", "pm_card_chargeDeclined"),
    ("insufficient", "pm_card_chargeDeclinedInsufficientFunds"),
    ("secure", "pm_card_authenticationRequired"),
)
#: Statuses in which the purchase may still be paid here.
_PAYABLE: Final = frozenset({"payment_required", "being_confirmed"})


@dataclass(frozen=True, slots=True)
class PaymentForm:
    """Whose script makes the form, and with which publishable key."""

    script: str
    key: str
    is_test: bool


def form_of(options: Options) -> PaymentForm | None:
    """Stripe's form, or the sandbox's. None when no key was given: then this page takes no money."""
    if options.sandbox_url is not None:
        return PaymentForm(SANDBOX_SCRIPT, options.publishable_key or "", is_test=True)
    if options.publishable_key is None or options.publishable_key == SANDBOX_KEYS["STRIPE_PUBLISHABLE_KEY"]:
        return None
    return PaymentForm(STRIPE_SCRIPT, options.publishable_key, is_test=False)


class CheckoutPage:
    """The page. It has no secret in it but its address: its script asks for the client secret."""

    def __init__(self, links: Links, options: Options) -> None:
        self._links, self._form = links, form_of(options)

    async def serve(self, request: Request) -> Response:
        return await page_or_problem(request, PATH, self._serve)

    async def _serve(self, request: Request) -> Response:
        token = check_token(request.path_params["token"])
        async with self._links.turn(request):
            asked = link_pb2.OpenCheckoutRequest(token=token)
            opened = (await self._links.service.OpenCheckout(asked, timeout=READ_SECONDS)).checkout
        reader = reader_of(request)
        state = shapes.checkout(reader, opened)
        form = self._form if state["status"] in _PAYABLE and not state["payment_url"] else None
        return page(
            request,
            "checkout.html",
            reader=reader,
            policy=STRIPE_POLICY if form and not form.is_test else None,
            words=describe_purchase(reader, opened.purchase, datetime.now(UTC)),
            state=state,
            current=_panel(state),
            sold_id=opened.purchase.booking_id or opened.purchase.enrollment_id,
            form=form,
            test_cards=TEST_CARDS,
            left=divmod(math.ceil(max(0.0, opened.seconds_left)), 60),
        )


def _panel(state: shapes.Shape) -> str:
    """The part of the page that is shown first."""
    status: str = state["status"]
    if status != "payment_required":
        return status
    return "pay" if state["seconds_left"] > 0 else "over"
