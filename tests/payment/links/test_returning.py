"""To which pages of other origins the page to pay on may lead."""

from __future__ import annotations

import pytest

from mesh.errors import BadInput
from payment_svc.domain import ReturnPages
from payment_svc.links.returning import ReturnOrigins, read_origin

ALLOWED = frozenset(
    {"https://app.example.org", "http://localhost:3000", "http://plain.example.org", "https://[::1]:8443"}
)
DEVELOPMENT, PRODUCTION = ReturnOrigins(ALLOWED), ReturnOrigins(ALLOWED, is_production=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.org",
        "https://app.example.org/paid?lesson=7#top",
        "https://APP.example.org:443/",
        "HTTPS://app.example.org/a//b",
        "https://app.example.org?to=https://evil.example",
        "https://[::1]:8443/x",
        "https://app.example.org/" + "x" * 1976,
    ],
)
def test_pages_of_listed_origins_are_led_to(url: str) -> None:
    for origins in (DEVELOPMENT, PRODUCTION):
        origins.check(ReturnPages(return_url=url, cancel_url=url))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://app.example.org.evil.example",
        "https://app.example.org:444",
        "https://app.example.org@evil.example/",
        "https://user@app.example.org/",
        "https://user:word@app.example.org/",
        "https://evil.example\\@app.example.org/",
        "https:\\\\app.example.org",
        "https:/app.example.org",
        "https:app.example.org",
        "//app.example.org",
        "/paid",
        "app.example.org",
        "javascript:alert(1)//https://app.example.org",
        "data:text/html,x",
        "ftp://app.example.org",
        "http://app.example.org",
        "http://plain.example.org",
        " https://app.example.org",
        "https://app.example.org/\n",
        "https://app.example.org/\tx",
        "https://app.example.org/ä",
        "https://аpp.example.org/",
        "https://app%2eexample.org",
        "https://app.example.org:99999",
        "https://[::1",
        "https://[v1.x]/",
        "https://",
        "null",
        "https://app.example.org/" + "x" * 1977,
    ],
)
@pytest.mark.parametrize("field", ["return_url", "cancel_url"])
@pytest.mark.parametrize("origins", [DEVELOPMENT, PRODUCTION])
def test_everything_else_is_refused_by_its_name(url: str, field: str, origins: ReturnOrigins) -> None:
    with pytest.raises(BadInput) as refused:
        origins.check(ReturnPages(**{field: url}))
    assert refused.value.field == field
    assert url not in refused.value.message


def test_a_machine_of_ones_own_needs_no_https_in_development() -> None:
    own = ReturnPages(return_url="http://localhost:3000/paid")
    DEVELOPMENT.check(own)
    with pytest.raises(BadInput):
        PRODUCTION.check(own)


def test_an_order_may_name_no_page() -> None:
    ReturnOrigins().check(ReturnPages())
    assert read_origin("") is None
