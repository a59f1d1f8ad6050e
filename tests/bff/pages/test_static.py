"""The files of the pages: their types, their tags, and nothing that lies elsewhere."""

from __future__ import annotations

import httpx
import pytest

from bff.pages.static import FILES


async def test_a_style_sheet_is_served_with_its_type_and_asked_for_again_by_its_tag(http: httpx.AsyncClient) -> None:
    sheet = await http.get("/pages/base.css")
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert sheet.headers["x-content-type-options"] == "nosniff"
    assert sheet.headers["cache-control"] == "no-cache"
    again = await http.get("/pages/base.css", headers={"if-none-match": f'"other", W/{sheet.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", sheet.headers["etag"])
    changed = await http.get("/pages/base.css", headers={"if-none-match": '"other"'})
    assert changed.status_code == 200


@pytest.mark.parametrize("name", ["nothing.css", "../static.py", "..%2Fstatic.py", "%2e%2e/render.py", "base.css/", ""])
async def test_nothing_else_is_served(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/pages/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_file_is_read_and_not_written_to(http: httpx.AsyncClient) -> None:
    assert (await http.post("/pages/base.css")).status_code == 405
    head = await http.head("/pages/base.css")
    assert (head.status_code, head.content) == (200, b"")


def test_no_style_sheet_or_script_fetches_from_elsewhere() -> None:
    for name, file in FILES.items():
        text = file.content.decode()
        assert "@import" not in text, name
        assert "innerHTML" not in text, name


def test_all_scripts_together_are_small() -> None:
    assert sum(len(file.content) for name, file in FILES.items() if name.endswith(".js")) < 60_000
