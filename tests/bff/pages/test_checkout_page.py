"""The page to pay on, before a scripted payment service: its words, its headers, and what hostile text and links do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bff.app import build
from bff.http.rate_limits import RateLimiter
from bff.pages.asking import HEADER
from bff.peers import Peers
from mesh.errors import CallFailed, NotFound, StatusCode, TryAgain
from mesh.identity import Verifier
from tests.bff.pages.purchases import SECRET, TOKEN, at, checkout, course, lesson, managed
from tests.scraped import own
from tutormesh.payment.v1 import link_pb2, payment_pb2

PAGE, LIVE, SANDBOX = (
    f"/checkout/{TOKEN}",
    "pk_live_1",
    {"publishable_key": "pk_test_sandbox", "sandbox_url": "http://x"},
)
HOSTILE = (
    "</title><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\u2066\x00\x1b\x07\u2028\"'{{7*7}}" + "x" * 1000
)
Edge = Callable[..., httpx.AsyncClient]


def words(answer: httpx.Response) -> str:
    """The text of a page, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def shown_panel(answer: httpx.Response) -> str:
    panels = re.findall(r'data-panel="(\w+)"[^>]*?( hidden)?>', answer.text)
    (shown,) = [name for name, hidden in panels if not hidden]
    return str(shown)


async def test_the_page_says_what_is_bought_in_the_persons_zone(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    said = words(await http.get(PAGE, headers={"accept-language": "en-GB"}))
    for text in (
        "Lesson with Mira Kowalski",
        "€50.00",
        "29:02",
        "Thursday, 31 January 2030",
        "10:00 – 11:00",
        "60 minutes",
    ):
        assert text in said
    assert "Central European" in said and "(Europe/Berlin)" in said
    assert "100% goes back up to 24 hours before the lesson, until Wed, 30 Jan 2030, 10:00." in said
    assert "50% goes back up to 2 hours before the lesson, until Thu, 31 Jan 2030, 08:00." in said
    assert "If the tutor cancels, everything goes back." in said
    assert script.one("OpenCheckout").request.token == TOKEN
    assert script.one("OpenCheckout").call.person is None


async def test_the_page_says_it_in_german_too(edge: Edge, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    said = words(await edge(**SANDBOX).get(f"{PAGE}?lang=de"))
    for text in ("Unterricht bei Mira Kowalski", "50,00 €", "Donnerstag, 31. Januar 2030", "60 Minuten"):
        assert text in said
    assert "50,00 € bezahlen" in said


async def test_a_course_has_a_price_and_no_time(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout(course())
    answer = await http.get(PAGE)
    assert "<bdi>Fractions &amp; friends</bdi>" in answer.text
    assert "$120.50" in answer.text
    assert "100% goes back within 14 days of the payment." in words(answer)
    assert 'class="facts"' not in answer.text
    assert "tutor cancels" not in answer.text


@pytest.mark.parametrize(
    ("status", "changed", "panel"),
    [
        ("PAYMENT_REQUIRED", {}, "pay"),
        ("PAYMENT_REQUIRED", {"seconds_left": -1.0}, "over"),
        ("BEING_CONFIRMED", {"seconds_left": 0.0}, "being_confirmed"),
        ("CONFIRMED", {"seconds_left": 0.0}, "confirmed"),
        ("COMPLETED", {"seconds_left": 0.0}, "completed"),
        ("CANCELLED", {}, "cancelled"),
        ("PAYMENT_FAILED", {}, "payment_failed"),
        ("EXPIRED", {}, "expired"),
    ],
)
async def test_the_status_is_told_without_a_script(
    edge: Edge, script: Any, status: str, changed: dict[str, Any], panel: str
) -> None:
    number = link_pb2.PurchaseStatus.Value(f"PURCHASE_STATUS_{status}")
    script.answers["OpenCheckout"] = checkout(lesson(status=number), **changed)
    answer = await edge(**SANDBOX).get(PAGE)
    assert (answer.status_code, shown_panel(answer)) == (200, panel)
    assert "noscript" in answer.text


async def test_a_status_that_only_a_newer_service_knows_is_being_confirmed(
    http: httpx.AsyncClient, script: Any
) -> None:
    script.answers["OpenCheckout"] = checkout(lesson(status=77), decline_reason=99)
    assert shown_panel(await http.get(PAGE)) == "being_confirmed"
    told = (await http.get("/links/checkout", headers={HEADER: TOKEN})).json()["data"]
    assert (told["status"], told["decline_reason"]) == ("being_confirmed", "other")


async def test_an_ended_purchase_offers_the_nearest_free_times(http: httpx.AsyncClient, script: Any) -> None:
    times = [
        link_pb2.FreeTime(start_time=at(f"2030-02-0{n}T09:00:00Z"), end_time=at(f"2030-02-0{n}T10:00:00Z"))
        for n in range(1, 6)
    ]
    script.answers["OpenCheckout"] = checkout(lesson(status=link_pb2.PURCHASE_STATUS_EXPIRED), free_times=times)
    answer = await http.get(PAGE, headers={"accept-language": "en-GB"})
    assert "Fri, 1 Feb 2030, 10:00" in answer.text and "Sun, 3 Feb 2030, 10:00" in answer.text
    assert "4 Feb" not in answer.text


async def test_the_page_has_no_secret_in_it(edge: Edge, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    assert SECRET not in (await edge(**SANDBOX).get(PAGE)).text


@pytest.mark.parametrize("page", [f"/checkout/{TOKEN}", f"/manage/{TOKEN}"])
async def test_what_people_write_is_text(http: httpx.AsyncClient, script: Any, page: str) -> None:
    hostile = lesson(tutor_name=HOSTILE, purpose=HOSTILE, course_title=HOSTILE)
    script.answers |= {"OpenCheckout": checkout(hostile), "OpenPurchase": managed(hostile)}
    text = (await http.get(page)).text
    assert "alert(1)" in text
    assert not re.search(r"<script>|<img|</title><|\x00|\x1b|\x07|\u202e|\u2066|\u2028", text)
    assert text.count("<title>") == text.count("</title>") == 1


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.test", "https:", "vbscript:x", "http://["]
)
async def test_nobody_is_led_to_what_is_no_web_page(http: httpx.AsyncClient, script: Any, url: str) -> None:
    urls = dict.fromkeys(("payment_url", "return_url", "cancel_url", "manage_url"), url)
    script.answers |= {"OpenCheckout": checkout(**urls), "OpenPurchase": managed(meeting_link=url)}
    for path in (PAGE, f"/manage/{TOKEN}"):
        assert f'"{url}"' not in (await http.get(path)).text
    told = (await http.get("/links/checkout", headers={HEADER: TOKEN})).json()["data"]
    assert {told[name] for name in urls} == {None}


async def test_another_providers_page_is_linked_and_stripes_script_is_not_loaded(edge: Edge, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout(payment_url="https://pay.example.org/s/1", client_secret="")
    answer = await edge(publishable_key=LIVE).get(PAGE)
    assert 'href="https://pay.example.org/s/1"' in answer.text
    assert "stripe" not in answer.text + answer.headers["content-security-policy"]


# The headers.


async def test_only_a_live_form_loads_something_from_elsewhere(edge: Edge, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    live, test = await edge(publishable_key=LIVE).get(PAGE), await edge(**SANDBOX).get(PAGE)
    assert re.findall(r'<script src="([^"]+)" defer', live.text) == ["https://js.stripe.com/v3/"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in live.headers["content-security-policy"]
    assert "frame-src https://js.stripe.com" in live.headers["content-security-policy"]
    assert re.findall(r'<script src="([^"]+)" defer', test.text) == ["/pages/sandbox/stripe.js"]
    assert "https:" not in test.headers["content-security-policy"]
    script.answers["OpenCheckout"] = checkout(lesson(status=link_pb2.PURCHASE_STATUS_EXPIRED))
    assert "stripe" not in (await edge(publishable_key=LIVE).get(PAGE)).headers["content-security-policy"]


@pytest.mark.parametrize("options", [{}, {"publishable_key": "pk_test_sandbox"}])
async def test_an_edge_without_a_key_of_stripes_says_that_it_takes_no_money(
    edge: Edge, script: Any, options: dict[str, Any]
) -> None:
    script.answers["OpenCheckout"] = checkout()
    answer = await edge(**options).get(PAGE)
    assert "This cannot be paid on this page." in answer.text
    assert 'id="payment-form"' not in answer.text


async def test_the_script_that_cleans_the_address_comes_before_the_providers(edge: Edge, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    text = (await edge(publishable_key=LIVE).get(PAGE)).text
    assert text.index("/pages/address.js") < text.index("https://js.stripe.com")


@pytest.mark.parametrize("path", [PAGE, f"/manage/{TOKEN}", f"/manage/{TOKEN}/lesson.ics", "/checkout/nothing"])
async def test_a_link_is_referred_to_nobody_and_kept_nowhere(http: httpx.AsyncClient, script: Any, path: str) -> None:
    script.answers |= {"OpenCheckout": checkout(), "OpenPurchase": managed()}
    headers = (await http.get(path)).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers


# Links that do not work, and services that do not answer.


@pytest.mark.parametrize(
    "text", ["nothing", "x" * 1024, "x" * 1025, "x" * 20_000, "%00", "..%2f..", "a%20b", "ü", "<script>", "%ff", "a;b"]
)
async def test_a_link_that_does_not_work_is_404_in_words(http: httpx.AsyncClient, script: Any, text: str) -> None:
    for page in ("checkout", "manage"):
        answer = await http.get(f"/{page}/{text}")
        assert answer.status_code == 404
        assert "This link does not work" in answer.text or answer.json()["error"]["code"] == "NOT_FOUND"
    assert {len(seen.request.token) for seen in script.seen} <= {7, 1024}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TryAgain(), 503),
        (CallFailed(StatusCode.UNAVAILABLE, "gone"), 503),
        (CallFailed(StatusCode.UNIMPLEMENTED, "an old replica"), 503),
        (NotFound(), 404),
    ],
)
async def test_a_service_that_does_not_answer_is_told_in_words(
    http: httpx.AsyncClient, script: Any, error: Exception, status: int
) -> None:
    script.answers |= {"OpenCheckout": error, "OpenPurchase": error}
    for path in (PAGE, f"/manage/{TOKEN}", f"/manage/{TOKEN}/lesson.ics"):
        answer = await http.get(path, headers={"accept-language": "de"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_page_is_only_read(http: httpx.AsyncClient, script: Any, method: str) -> None:
    for path in (PAGE, f"/manage/{TOKEN}"):
        assert (await http.request(method, path)).status_code == 405
    assert not script.seen


async def test_head_answers_as_get_without_a_body(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenCheckout"] = checkout()
    answer = await http.head(PAGE)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_fast_guesser_is_slowed_down(peers: Peers, verifier: Verifier, script: Any) -> None:
    app = build(peers, verifier, RateLimiter(burst=3, per_second=0.001))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge.test") as client:
        guesses = [await client.get("/checkout/guess", headers={"accept-language": "de"}) for _ in range(4)]
    assert [answer.status_code for answer in guesses] == [404, 404, 404, 429]
    assert "Zu viele Anfragen" in guesses[-1].text and guesses[-1].headers["retry-after"]
    assert len(script.seen) == 3


async def test_tokens_and_secrets_are_in_no_log_and_no_label(
    edge: Edge, script: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    script.answers |= {"OpenCheckout": checkout(), "OpenPurchase": CallFailed(StatusCode.UNAVAILABLE, "gone")}
    client = edge(**SANDBOX)
    query = "?payment_intent=pi_1&payment_intent_client_secret=pi_1_secret_hush&redirect_status=succeeded"
    for path in (PAGE + query, f"/manage/{TOKEN}", f"/manage/{TOKEN}/lesson.ics", f"/checkout/{TOKEN}/more{query}"):
        await client.get(path)
    await client.get("/links/checkout", headers={HEADER: TOKEN})
    metrics = own().text
    logged = "".join(capfd.readouterr())
    assert "route=/checkout/{token}" in logged
    assert 'route="/manage/{token}/lesson.ics"' in metrics
    for hidden in (TOKEN, "hush", "redirect_status"):
        assert hidden not in logged
        assert hidden not in metrics


def names(enum: Any) -> set[str]:
    """CARD_DECLINED → card_declined, for each value that has a meaning."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return {enum.Name(number).removeprefix(prefix).lower() for number in enum.values() if number}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_status_decline_and_refund_has_words(raw_texts: dict[str, Any], language: str) -> None:
    texts = raw_texts[language]
    assert {f"decline_{name}" for name in names(payment_pb2.DeclineReason)} <= texts["checkout"].keys()
    assert {f"status_{name}" for name in names(link_pb2.PurchaseStatus)} <= texts["manage"].keys()
    told = {f"refund_{name}_{person}" for name in names(payment_pb2.RefundState) for person in ("student", "tutor")}
    assert told <= texts["manage"].keys()
