"""The web component of /embed/slots.js: who may import it; and the page that shows it, on a developer's machine alone."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import httpx

from bff.pages.static import FILES

SCRIPT, SHOP = "/embed/slots.js", "https://school.example.org"


async def test_a_page_of_cors_origins_may_import_the_component_and_no_other(
    edge: Callable[..., httpx.AsyncClient],
) -> None:
    client = edge(cors_origins=(SHOP,))
    answer = await client.get(SCRIPT, headers={"origin": SHOP})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    other = await client.get(SCRIPT, headers={"origin": "https://other.example.org"})
    assert "access-control-allow-origin" not in other.headers
    assert {"origin", "accept-encoding"} <= {name.strip().lower() for name in other.headers["vary"].split(",")}


async def test_the_component_is_small_on_the_wire_and_kept_by_its_tag(http: httpx.AsyncClient) -> None:
    packed = await http.get(SCRIPT, headers={"accept-encoding": "gzip"})
    plain = await http.get(SCRIPT, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content == FILES["slots.js"].content  # httpx has unpacked the one
    assert int(packed.headers["content-length"]) < 8000
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    known = await http.get(SCRIPT, headers={"if-none-match": plain.headers["etag"]})
    assert (known.status_code, known.headers["cross-origin-resource-policy"]) == (304, "cross-origin")


async def test_the_page_that_shows_it_is_none_of_productions(edge: Callable[..., httpx.AsyncClient]) -> None:
    shown = await edge().get("/embed/demo?lang=de")
    assert shown.status_code == 200 and "<tutormesh-slots" in shown.text and 'lang="de' in shown.text
    production = edge(is_production=True)
    assert (await production.get("/embed/demo")).status_code == 404
    assert (await production.get(SCRIPT)).status_code == 200
