"""A mesh whose pages have an address, and whoever has a link, as the edge asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.people import People
from tutormesh.payment.v1 import link_pb2
from tutormesh.payment.v1.link_pb2_grpc import LinkServiceStub

PUBLIC_URL, SECRETS = "https://lessons.example.org", ("s" * 40, "t" * 40)
RETURNS = {"return_url": "https://app.example.org/paid", "cancel_url": "https://app.example.org/back?x=1"}


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    origins = "https://app.example.org,http://localhost:3000"
    settings = {"public_url": PUBLIC_URL, "link_secret": ",".join(SECRETS), "return_origins": origins}
    return {"payment": settings, "session": {"meeting_link_template": "https://meet.example.org/{room}"}}


def token_of(url: str) -> str:
    """The token in the address of a page."""
    return url.rpartition("/")[2]


@dataclass(frozen=True)
class Visitor:
    """Opens pages over gRPC as the edge does: no person is named to the service but by the link."""

    people: People

    async def checkout(self, url: str) -> link_pb2.Checkout:
        return (await self.stub.OpenCheckout(link_pb2.OpenCheckoutRequest(token=token_of(url)), timeout=8)).checkout

    async def refresh(self, url: str) -> link_pb2.Checkout:
        request = link_pb2.RefreshCheckoutRequest(token=token_of(url))
        return (await self.stub.RefreshCheckout(request, timeout=9)).checkout

    async def purchase(self, url: str) -> link_pb2.OpenPurchaseResponse:
        return await self.stub.OpenPurchase(link_pb2.OpenPurchaseRequest(token=token_of(url)), timeout=8)

    async def quote(self, url: str) -> link_pb2.QuotePurchaseCancellationResponse:
        request = link_pb2.QuotePurchaseCancellationRequest(token=token_of(url))
        return await self.stub.QuotePurchaseCancellation(request, timeout=8)

    async def cancel(self, url: str, quote: str = "", reason: str = "") -> link_pb2.CancelPurchaseResponse:
        request = link_pb2.CancelPurchaseRequest(token=token_of(url), quote_token=quote, reason=reason)
        return await self.stub.CancelPurchase(request, timeout=9)

    @property
    def stub(self) -> Any:
        return self.people.stub(LinkServiceStub, "payment", "bff")


@pytest.fixture
def visitor(people: People) -> Visitor:
    return Visitor(people)


#: Every RPC of LinkService, as a visitor calls it.
DOORS: dict[str, Callable[[Visitor, str], Any]] = {
    "OpenCheckout": Visitor.checkout,
    "RefreshCheckout": Visitor.refresh,
    "OpenPurchase": Visitor.purchase,
    "QuotePurchaseCancellation": Visitor.quote,
    "CancelPurchase": Visitor.cancel,
}
