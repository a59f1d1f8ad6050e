"""A mesh whose payment_svc tells people: over HTTP to a receiver of ours, by SMTP into a mailbox of ours."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devkit.sandbox.mail import Mailbox, receiving
from tests.inhabited import people, short_pauses, world  # noqa: F401 - fixtures
from tests.people import People, wait_until
from tests.sandbox.conftest import serving
from tests.world import Hook, Replica, World

SECRET = "a secret that nobody may read"
PUBLIC_URL, LINK_SECRET = "https://app.example.org", "a-secret-that-signs-links-0123456789abcdef"
SENDER = "tutormesh <no-reply@mesh.example.com>"
Answer = int | None  # None: never


@dataclass
class Receiver:
    """Where webhooks arrive. `judge` says how each is answered; what was answered 2xx is taken."""

    url: str = ""
    arrived: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    signatures: list[bool] = field(default_factory=list)
    requests: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    judge: Callable[[dict[str, Any]], Answer] = lambda _: 200
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append((body, dict(request.headers)))
        self.signatures.append(is_signed(body, request.headers["tutormesh-signature"], SECRET))
        told = json.loads(body)
        self.arrived.append(told)
        answer = self.judge(told)
        if answer is None:
            await self.let_go.wait()
            return Response(status_code=503)
        if answer < 300:
            self.taken.append(told)
        return Response(status_code=answer, headers={"location": "/elsewhere"} if 300 <= answer < 400 else None)

    def about(self, booking: str) -> list[dict[str, Any]]:
        """What was taken about a booking or an enrollment, in the order of its coming."""
        return [
            told for told in self.taken if booking in (told["data"].get("bookingId"), told["data"].get("enrollmentId"))
        ]

    def types(self, booking: str) -> list[str]:
        return [told["type"] for told in self.about(booking)]

    async def until_taken(self, booking: str, *types: str) -> None:
        """Until exactly these have come about a booking, in this order; repeats count."""

        async def ask() -> list[str]:
            return self.types(booking)

        await wait_until(ask, lambda found: len(found) >= len(types))
        assert self.types(booking) == list(types)


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Whether a webhook is ours, worked out here once more."""
    at, _, digest = header.removeprefix("t=").partition(",v1=")
    return digest == hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


class Post(Mailbox):
    """A mailbox that can refuse: the answers to give first, by what the recipient's address contains."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.answers: dict[str, deque[str]] = {}
        self.url = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        for part, answers in self.answers.items():
            if part in address and answers:
                return answers.popleft()
        envelope.rcpt_tos.append(address)
        return "250 known"

    def to(self, person: UUID) -> list[dict[str, Any]]:
        """A person's mails, in the order of their coming."""
        return [mail for mail in self.listed()["mails"] if mail["to"] == [f"{person}@people.example.com"]]

    async def until_sent(self, person: UUID, count: int) -> list[dict[str, Any]]:
        async def ask() -> list[dict[str, Any]]:
            return self.to(person)

        return await wait_until(ask, lambda mails: len(mails) >= count)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    receiving_end = Receiver()
    routes = [Route("/hook", receiving_end.receive, methods=["POST"])]
    async with serving(Starlette(routes=routes)) as url:
        receiving_end.url = f"{url}/hook"
        yield receiving_end
        receiving_end.let_go.set()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post() -> AsyncIterator[Post]:
    office = Post()
    async with receiving(office, "127.0.0.1", 0) as port:
        office.url = f"smtp://127.0.0.1:{port}"
        yield office


@pytest.fixture(autouse=True)
def obliging(request: pytest.FixtureRequest) -> None:
    """Each test begins with a receiver that takes everything."""
    if "receiver" in request.fixturenames:
        request.getfixturevalue("receiver").judge = lambda _: 200


@pytest.fixture(scope="module")
def world_settings(receiver: Receiver, post: Post) -> dict[str, dict[str, Any]]:
    """Both channels; a try may take half a second. Lessons are held behind a link."""
    return {
        "session": {"meeting_link_template": "https://meet.example.org/{room}"},
        "payment": {
            "public_url": PUBLIC_URL,
            "link_secret": LINK_SECRET,
            "notify_webhook_url": receiver.url,
            "notify_webhook_secret": SECRET,
            "notify_timeout_seconds": 0.5,
            "smtp_url": post.url,
            "smtp_timeout_seconds": 2.0,
            "notify_email_from": SENDER,
            "notify_email_to": "{person_id}@people.example.com",
        },
    }


async def only_replica(world: World, hook: Hook | None = None, **changes: Any) -> Replica:  # noqa: F811
    """One payment_svc in place of those there were; the port is never without one."""
    before, replica = list(world.replicas), await world.start_replica(hook, **changes)
    for old in before:
        await world.stop_replica(old)
    return replica


async def hurry(people: People, booking: str) -> None:  # noqa: F811
    """What backs off is tried again now."""
    again = "update notification set wake_at = clock_timestamp() where subject_id = $1"
    await people.world.sql("payment", again + " and error <> '' and status = 'PENDING'", UUID(booking))


async def rows(people: People, booking: str, channel: str = "webhook") -> list[Any]:  # noqa: F811
    """A booking's messages on a channel, in order."""
    ask = "select * from notification where subject_id = $1 and channel = $2 order by seq"
    return await people.world.sql("payment", ask, UUID(booking), channel)
