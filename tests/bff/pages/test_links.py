"""The JSON of the pages' scripts: it acts for the link in the header, for nobody else, and for no other origin."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.pages.asking import HEADER
from bff.peers import PROVIDER_BURST
from mesh.errors import NotFound, Refusal, Unauthenticated
from tests.bff.pages.purchases import SECRET, TOKEN, at, checkout, lesson, managed
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import link_pb2, payment_pb2

LINK = {HEADER: TOKEN, "accept-language": "de"}
EUROS = Money(amount_minor=2550, currency="EUR")
QUOTE = link_pb2.QuotePurchaseCancellationResponse(
    refund=EUROS, percent=50, rule="a rule", quote_token="q.1", expires_at=at("2030-01-01T00:15:00Z")
)
ROUTES = {
    ("GET", "/links/checkout"): "OpenCheckout",
    ("POST", "/links/checkout/refresh"): "RefreshCheckout",
    ("GET", "/links/purchase"): "OpenPurchase",
    ("GET", "/links/purchase/quote"): "QuotePurchaseCancellation",
    ("POST", "/links/purchase/cancel"): "CancelPurchase",
}


class NotCancellable(Refusal):
    """This cannot be cancelled."""

    reason = "A_TEST_NOT_CANCELLABLE"


async def test_a_checkout_is_told_as_it_stands(http: httpx.AsyncClient, script: Any) -> None:
    times = [link_pb2.FreeTime(start_time=at("2030-02-01T09:00:00Z"), end_time=at("2030-02-01T10:00:00Z"))]
    script.answers["OpenCheckout"] = checkout(
        decline_reason=payment_pb2.DECLINE_REASON_INSUFFICIENT_FUNDS,
        attempts_left=2,
        free_times=times,
        manage_url="https://edge.test/manage/m",
    )
    answer = await http.get("/links/checkout", headers=LINK)
    assert answer.json() == {
        "success": True,
        "message": "ok",
        "data": {
            "status": "payment_required",
            "times": None,
            "seconds_left": 1741.5,
            "client_secret": SECRET,
            "payment_url": None,
            "decline_reason": "insufficient_funds",
            "attempts_left": 2,
            "return_url": "https://app.example.org/done",
            "cancel_url": "https://app.example.org/back",
            "manage_url": "https://edge.test/manage/m",
            "free_times": [
                {
                    "start_time": "2030-02-01T09:00:00Z",
                    "end_time": "2030-02-01T10:00:00Z",
                    "text": "Fr., 1. Feb. 2030, 10:00",
                }
            ],
        },
    }
    assert (script.one("OpenCheckout").request.token, script.one("OpenCheckout").call.person) == (TOKEN, None)


@pytest.mark.parametrize("page", ["checkout", "purchase"])
async def test_an_order_without_a_zone_is_told_in_the_browsers(http: httpx.AsyncClient, script: Any, page: str) -> None:
    anywhere = lesson(reads_in_any_timezone=True)
    script.answers |= {"OpenCheckout": checkout(anywhere), "OpenPurchase": managed(anywhere)}
    for zone, hours in (
        ("Asia/Tokyo", "18:00 – 19:00"),
        ("Mars/Olympus", "10:00 – 11:00"),
        ("x" * 9000, "10:00 – 11:00"),
    ):
        told = (await http.get(f"/links/{page}", headers=LINK | {"time-zone": zone})).json()["data"]["times"]
        assert told["hours"] == hours
    tokyo = (await http.get(f"/links/{page}", headers=LINK | {"time-zone": "Asia/Tokyo"})).json()["data"]["times"]
    assert (tokyo["day"], tokyo["zone"]) == ("Donnerstag, 31. Januar 2030", "Japanische Normalzeit (Asia/Tokyo)")
    assert "Mi., 30. Jan. 2030, 18:00" in tokyo["policy"][0]
    script.answers |= {"OpenCheckout": checkout(), "OpenPurchase": managed()}
    assert (await http.get(f"/links/{page}", headers=LINK | {"time-zone": "Asia/Tokyo"})).json()["data"][
        "times"
    ] is None


async def test_nobody_counts_attempts_that_nobody_sent(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    assert (await http.get("/links/checkout", headers=LINK)).json()["data"]["attempts_left"] is None


async def test_the_provider_is_asked_by_post_alone(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["RefreshCheckout"] = link_pb2.RefreshCheckoutResponse(checkout=checkout().checkout)
    assert (await http.get("/links/checkout/refresh", headers=LINK)).status_code == 405
    assert (await http.post("/links/checkout/refresh", headers=LINK)).json()["data"]["client_secret"] == SECRET


async def test_one_link_asks_the_provider_so_often_and_no_more(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["RefreshCheckout"] = link_pb2.RefreshCheckoutResponse(checkout=checkout().checkout)
    mine = LINK | {HEADER: "often"}
    statuses = [
        (await http.post("/links/checkout/refresh", headers=mine)).status_code for _ in range(int(PROVIDER_BURST) + 3)
    ]
    assert statuses[0] == 200 and statuses[-1] == 429
    assert (await http.post("/links/checkout/refresh", headers=LINK | {HEADER: "other"})).status_code == 200


async def test_a_purchase_is_told_as_it_stands(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed(
        refunded=Money(amount_minor=0, currency="EUR"),
        refund_pending=EUROS,
        refund_state=payment_pb2.REFUND_STATE_PENDING,
    )
    assert (await http.get("/links/purchase", headers=LINK)).json()["data"] == {
        "status": "confirmed",
        "times": None,
        "meeting_link": "https://meet.example.org/room-nobody-guesses",
        "is_cancellable": True,
        "refunded": {"amount": "0.00", "currency": "EUR", "text": "0,00\xa0€"},
        "refund_pending": {"amount": "25.50", "currency": "EUR", "text": "25,50\xa0€"},
        "refund_state": "pending",
    }


async def test_a_free_purchase_has_no_refund(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed()
    told = (await http.get("/links/purchase", headers=LINK)).json()["data"]
    assert (told["refunded"], told["refund_pending"], told["refund_state"]) == (None, None, "none")


async def test_a_quote_and_a_cancel(http: httpx.AsyncClient, script: Any) -> None:
    script.answers |= {
        "QuotePurchaseCancellation": QUOTE,
        "CancelPurchase": link_pb2.CancelPurchaseResponse(refund=EUROS),
    }
    quote = (await http.get("/links/purchase/quote", headers=LINK)).json()["data"]
    refund = {"amount": "25.50", "currency": "EUR", "text": "25,50\xa0€"}
    assert quote == {"refund": refund, "percent": "50\xa0%", "quote_token": "q.1", "expires_at": "2030-01-01T00:15:00Z"}
    body = {"quote_token": quote["quote_token"], "reason": "ill"}
    answer = await http.post("/links/purchase/cancel", headers=LINK, json=body)
    assert answer.json()["data"] == {"refund": refund}
    assert script.one("CancelPurchase").request == link_pb2.CancelPurchaseRequest(
        token=TOKEN, quote_token="q.1", reason="ill"
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reason": "x" * 1001}, 422),
        ({"reason": ["x"]}, 422),
        ({"quote_token": 7}, 422),
        (["x"], 400),
        ("{", 400),
        ({"reason": "x" * 200_000}, 413),
    ],
)
async def test_a_cancel_that_cannot_be_read_cancels_nothing(
    http: httpx.AsyncClient, script: Any, body: Any, status: int
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    headers = LINK | {"content-type": "application/json"}
    assert (await http.post("/links/purchase/cancel", headers=headers, content=content)).status_code == status
    assert not script.seen


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_a_form_of_another_site_cannot_cancel(http: httpx.AsyncClient, script: Any, kind: str) -> None:
    """A form can send these types, and no header of ours."""
    headers = {HEADER: TOKEN, "content-type": kind}
    assert (await http.post("/links/purchase/cancel", headers=headers, content=b"{}")).status_code == 415
    headers = {"content-type": "application/json"}
    assert (await http.post("/links/purchase/cancel", headers=headers, content=b"{}")).status_code == 404
    assert not script.seen


@pytest.mark.parametrize("origins", [("https://app.example.org",), ("*",)])
async def test_no_page_of_another_origin_may_send_a_link(
    edge: Callable[..., httpx.AsyncClient], origins: tuple[str, ...]
) -> None:
    asked = {"access-control-request-method": "GET", "access-control-request-headers": HEADER}
    answer = await edge(cors_origins=origins).options(
        "/links/checkout", headers={"origin": "https://app.example.org", **asked}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("text", ["", "x" * 1025, "a b", "a/b", "ü".encode()])
async def test_what_is_no_link_is_asked_of_nobody(
    http: httpx.AsyncClient, script: Any, method: str, path: str, text: Any
) -> None:
    answer = await http.request(method, path, headers={HEADER: text})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert not script.seen


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_token_in_the_query_or_a_bearer_token_counts_for_nothing(
    student: Any, script: Any, method: str, path: str
) -> None:
    answer = await student.http.request(method, f"{path}?token={TOKEN}&link-token={TOKEN}", headers=student.headers())
    assert answer.status_code == 404
    assert not script.seen


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound(), 404), (NotCancellable(), 409), (Unauthenticated(), 503), (RuntimeError("x"), 503)],
)
async def test_a_refusal_keeps_its_name(
    http: httpx.AsyncClient, script: Any, method: str, path: str, error: Exception, status: int
) -> None:
    script.answers[ROUTES[method, path]] = error
    answer = await http.request(method, path, headers=LINK)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    if isinstance(error, Refusal) and status < 500:
        assert answer.json()["error"]["code"] == error.reason
