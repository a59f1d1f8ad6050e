"""The web component of /embed/slots.js: who may import it; and the page that shows it, on a developer's machine alone."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import httpx

from bff.pages.languages import TEXTS
from bff.pages.static import FILES
from tutormesh.availability.v1 import availability_pb2

TUTOR = "00000000-0000-4000-8000-0000000000b1"
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


async def test_what_the_component_reads_besides_is_for_the_same_pages(
    edge: Callable[..., httpx.AsyncClient],
) -> None:
    answer = await edge(cors_origins=(SHOP,)).get("/embed/slots.json", headers={"origin": SHOP})
    assert (answer.status_code, answer.headers["cross-origin-resource-policy"]) == (200, "cross-origin")
    assert answer.headers["access-control-allow-origin"] == SHOP
    parts = answer.json()
    assert ":host" in parts["css"] and set(parts["texts"]) == set(TEXTS)
    said = set(re.findall(r"texts\.(\w+)|: \"(unknown|busy|offline|failed)\"", FILES["slots.js"].content.decode()))
    assert {name for pair in said for name in pair if name} - {"en"} <= set(parts["texts"]["de"])


async def test_the_page_that_shows_it_is_none_of_productions(
    edge: Callable[..., httpx.AsyncClient], script: Any
) -> None:
    tutor = availability_pb2.ListedTutor(tutor_id=TUTOR, display_name="<b>Ada", timezone="Europe/Berlin")
    script.answers["ListTutors"] = availability_pb2.ListTutorsResponse(tutors=[tutor])
    shown = await edge(public_availability=True).get("/embed/demo?lang=de")
    assert shown.status_code == 200 and "<tutormesh-slots" in shown.text and 'lang="de' in shown.text
    assert f'<option value="{TUTOR}">&lt;b&gt;Ada</option>' in shown.text
    assert "<tutormesh-slots" not in (await edge().get("/embed/demo")).text
    production = edge(is_production=True)
    assert (await production.get("/embed/demo")).status_code == 404
    assert (await production.get(SCRIPT)).status_code == 200
