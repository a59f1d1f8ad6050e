"""Paths, methods and faults of the whole application."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bff.app import build


async def test_an_unknown_path_or_method_answers_json(http: httpx.AsyncClient) -> None:
    answer = await http.get("/nowhere")
    assert answer.json() == {"success": False, "message": "Not Found", "data": None, "error": {"code": "NOT_FOUND"}}
    answer = await http.put("/graphql", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/api/v1/bookings/", "//evil.test/"])
async def test_a_trailing_slash_is_404_and_no_redirect(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"http://edge.test{path}", headers={"host": "evil.test"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert "location" not in answer.headers


async def test_a_crash_answers_500_without_internals(
    peers: Any, verifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("bff.http.bodies.read_body", broken)
    transport = httpx.ASGITransport(app=build(peers, verifier), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 500
    assert answer.json() == {"success": False, "message": "internal error", "data": None, "error": {"code": "INTERNAL"}}


async def test_47_secrets_are_in_no_log(
    student: Any, script: Any, lesson: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    script.answers = lesson.answers()
    query = 'mutation Book($t: ID!) { bookSession(tutorId: $t, time: "2030-01-01T00:00Z") { clientSecret } }'
    body = {"query": query, "variables": {"t": lesson.tutor}, "operationName": "Book"}
    answer = await student.http.post("/graphql", json=body, headers=student.headers())
    assert answer.json()["data"]["bookSession"]["clientSecret"] == "pi_1_secret_hush"
    logged = "".join(capfd.readouterr())
    assert "operation=Book" in logged
    assert "hush" not in logged
    assert student.token not in logged
