"""Stripe's publishable key, which an app needs to pay besides the client secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import ValidationError

from bff.app import build
from bff.settings import Options, Settings
from mesh.errors import Refusal

BOOK = """mutation($tutor: ID!) {
  bookSession(tutorId: $tutor, time: "2030-01-31T09:00:00Z") { publishableKey clientSecret userErrors { code } }
}"""


@pytest_asyncio.fixture
async def told(peers: Any, verifier: Any, student: Any) -> AsyncIterator[Any]:
    """The student at an edge with a publishable key."""
    transport = httpx.ASGITransport(app=build(peers, verifier, options=Options(publishable_key="pk_test_1")))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        yield replace(student, http=client)


async def key(person: Any, tutor: str) -> str | None:
    found: str | None = (await person.data(BOOK, tutor=tutor))["bookSession"]["publishableKey"]
    return found


async def test_the_publishable_key_comes_with_the_client_secret(told: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    assert await key(told, lesson.tutor) == "pk_test_1"


async def test_a_booking_without_a_client_secret_has_no_publishable_key(told: Any, script: Any, lesson: Any) -> None:
    for answer in (lesson.booked(client_secret=""), Refusal.from_parts("ABORTED", "SLOT_TAKEN", "taken")):
        script.answers = {"BookSession": answer}
        assert await key(told, lesson.tutor) is None


async def test_an_edge_without_the_setting_has_no_publishable_key(student: Any, script: Any, lesson: Any) -> None:
    script.answers = lesson.answers()
    assert await key(student, lesson.tutor) is None


def test_a_secret_key_in_place_of_the_publishable_key_is_refused(edge_settings: Settings) -> None:
    given = edge_settings.model_dump() | {"stripe_publishable_key": "sk_test_oops"}
    with pytest.raises(ValidationError, match="must be a publishable key, which starts with pk_"):
        Settings(_env_file=None, **given)
