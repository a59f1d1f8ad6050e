"""REST of a whole mesh, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
import schemathesis

from bff.rest.openapi import document
from bff.rest.routes import ENDPOINTS
from tests.inhabited import (  # noqa: F401 - fixtures
    people,
    world,
)
from tests.world import World

BOOKINGS = "/api/v1/bookings"
DOCUMENT = schemathesis.openapi.from_dict(document(ENDPOINTS))


def must_be_as_described(method: str, path: str, answer: httpx.Response) -> None:
    """Status and body must match the document. An operation that it does not describe is not checked."""
    operation = DOCUMENT.find_operation_by_path(method, path.partition("?")[0])
    if operation is not None:
        assert str(answer.status_code) in operation.definition.raw["responses"]
        operation.validate_response(answer)


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """Lessons are held behind a link."""
    return {"session": {"meeting_link_template": "https://meet.example.org/{room}"}}


@dataclass(frozen=True)
class Rest:
    """A person (or nobody) who uses REST."""

    http: httpx.AsyncClient
    id: UUID
    token: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        content = {} if body is None else {"json": body}
        headers |= more.pop("headers", {})
        answer = await self.http.request(method, path, headers=headers, **content, **more)
        must_be_as_described(method, path, answer)
        return answer

    async def data(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The data of a success."""
        answer = await self.ask(method, path, body, **more)
        told = answer.json()
        assert answer.is_success, answer.text
        assert (told["success"], set(told)) == (True, {"success", "message", "data"})
        return told["data"]

    async def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """Status and code of a failure."""
        answer = await self.ask(method, path, body, **more)
        told = answer.json()
        assert not answer.is_success, answer.text
        assert (told["success"], told["data"], bool(told["message"])) == (False, None, True)
        return answer.status_code, told["error"]["code"]

    async def refused_field(self, method: str, path: str, body: Any = None, **more: Any) -> str:
        """The field that a 400 or 422 names, in its message too."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status_code in (400, 422), answer.text
        told = answer.json()
        assert told["message"].startswith(f"{told['error']['field']}: ")
        return str(told["error"]["field"])

    async def book(self, tutor: UUID, start: datetime, **changes: Any) -> Any:
        return await self.data("POST", BOOKINGS, order(self.id, tutor, start, **changes))


def order(student: UUID, tutor: UUID, start: datetime, **changes: Any) -> dict[str, Any]:
    """The body of a booking of one hour."""
    body = {
        "student_uuid": str(student),
        "course_uuid": None,
        "instructor_uuid": str(tutor),
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(hours=1)).isoformat(),
    }
    return body | changes


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def someone(world: World) -> AsyncIterator[Callable[..., Rest]]:  # noqa: F811
    """`someone("student", subject=None)`: a person of a role; `someone("")` is nobody."""
    async with httpx.AsyncClient(base_url=world.bff_url, timeout=15) as http:

        def make(role: str, subject: UUID | None = None) -> Rest:
            subject = subject or uuid4()
            return Rest(http, subject, world.token(role, subject=subject) if role else "")

        yield make
