"""A client of a running mesh that knows its addresses alone: HTTP, the sandbox, and the command."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from devkit.layout import Layout

T = TypeVar("T")
TUTORMESH = Path(sys.executable).with_name("tutormesh")
WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
ALWAYS = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in WEEK]
DOLLARS = {"amountMinor": 5000, "currency": "USD"}
#: docs/api.md: every GraphQL call answers within 10 s. No request of these tests waits longer.
SECONDS = 10.0

PUBLISH = "mutation($input: PublishAvailabilityInput!) { publishAvailability(input: $input) { userErrors { code } } }"
BOOK = """mutation($tutorId: ID!, $time: AWSDateTime!, $durationMinutes: Int, $courseId: ID, $purpose: String,
                  $idempotencyKey: String) {
  bookSession(tutorId: $tutorId, time: $time, durationMinutes: $durationMinutes, courseId: $courseId, purpose: $purpose,
              idempotencyKey: $idempotencyKey) {
    booking { id status holdExpiresAt price { amountMinor currency display } courseId }
    clientSecret paymentIntentId sagaId holdExpiresAt userErrors { code message field retryable }
  }
}"""
BOOKING = """query($id: ID!) { booking(id: $id) {
  id status tutorId studentId courseId startTime endTime purpose holdExpiresAt availabilityBlockId createdAt
  price { amountMinor currency display }
  session { id bookingId tutorId studentId scheduledAt durationMinutes status meetingLink }
  payment { id status context contextId sessionId stripePaymentIntentId disputed createdAt
            amount { display } refunded { amountMinor } }
  timeline { at service event detail }
} }"""
CANCEL = """mutation($id: ID!, $quote: String) { cancelBooking(bookingId: $id, quoteToken: $quote) {
  booking { id status } refund { amountMinor } userErrors { code message retryable }
} }"""
QUOTE = "query($id: ID!) { cancellationQuote(bookingId: $id) { percent rule token expiresAt refund { amountMinor } } }"


async def wait_until(ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool], seconds: float = 30.0) -> T:
    """Ask until the answer meets the condition, and return it. Fails at the deadline with the last answer."""
    deadline = time.monotonic() + seconds
    while not condition(answer := await ask()):
        assert time.monotonic() < deadline, f"the condition is not met: {answer}"
        await asyncio.sleep(0.05)
    return answer


def lesson_time(days: int = 3, hour: int = 10, minute: int = 0) -> datetime:
    """A whole minute some days from now, UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def iso(instant: datetime) -> str:
    """An instant as the API writes it: UTC with Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class CommandResult:
    """A command's output and exit code."""

    status: int
    out: str
    err: str


@dataclass
class Person:
    """A person who calls the edge, or nobody when there is no token."""

    http: httpx.AsyncClient
    url: str
    id: str
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL request, and return the whole answer."""
        body = {"query": query, "variables": variables}
        answer = await self.http.post(f"{self.url}/graphql", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, query: str, **variables: Any) -> Any:
        """Send a request that must succeed, and return the value of its only field."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def error_code(self, query: str, **variables: Any) -> str:
        """Send a request that must fail, and return the `extensions.code` of its only error."""
        (error,) = (await self.ask(query, **variables))["errors"]
        return str(error["extensions"]["code"])

    async def user_error(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a mutation that a rule must refuse, and return its only user error."""
        (error,) = (await self.get(query, **variables))["userErrors"]
        return dict(error)

    async def rest(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        return await self.http.request(method, self.url + path, json=body, headers=headers, **more)

    async def book(self, tutor: Person, start: datetime, **more: Any) -> dict[str, Any]:
        """Book a lesson, which must succeed, and return the payload."""
        made = await self.get(BOOK, **{"tutorId": tutor.id, "time": iso(start), **more})
        assert made["userErrors"] == [], made
        return dict(made)

    async def booking(self, id: str) -> dict[str, Any]:
        return dict(await self.get(BOOKING, id=id))

    async def wait_until_status(self, id: str, status: str) -> dict[str, Any]:
        return await wait_until(lambda: self.booking(id), lambda booking: booking["status"] == status)


@dataclass
class MeshClient:
    """A running mesh, by its addresses."""

    layout: Layout
    http: httpx.AsyncClient
    #: Returns everything that its processes have written so far.
    read_log: Callable[[], str]
    #: An unpaid booking; later tests find it expired.
    expiring: dict[str, Any] = field(default_factory=dict)

    @property
    def bff(self) -> str:
        return self.layout.url("bff")

    def person(self, role: str, id: str | None = None) -> Person:
        id = id or str(uuid4())
        return Person(self.http, self.bff, id, self.layout.signer().token(role, subject=id))

    @property
    def nobody(self) -> Person:
        return Person(self.http, self.bff, "", None)

    async def tutor(self, rate: dict[str, Any] = DOLLARS, **hours: Any) -> Person:
        """A new tutor, who by default works around the clock in UTC."""
        tutor = self.person("tutor")
        given = {"timezone": "UTC", "weekly": ALWAYS, "rate": rate} | hours
        assert await tutor.get(PUBLISH, input=given) == {"userErrors": []}
        return tutor

    async def sell(self, student: Person, tutor: Person, start: datetime) -> dict[str, Any]:
        """Book and pay a lesson, and return the booking once it is confirmed."""
        made = await student.book(tutor, start)
        await self.pay(made)
        return await student.wait_until_status(made["booking"]["id"], "CONFIRMED")

    async def pay(self, made: dict[str, Any], card: str = "pm_card_visa") -> httpx.Response:
        """Pay for the booking of a payload as Stripe.js does."""
        form = {"payment_method": card, "client_secret": made["clientSecret"]}
        return await self.stripe(
            "POST", f"/v1/payment_intents/{made['paymentIntentId']}/confirm", form, key="pk_test_sandbox"
        )

    async def stripe(
        self, method: str, path: str, form: dict[str, Any] | None = None, key: str = "sk_test_sandbox", **headers: str
    ) -> httpx.Response:
        """Call Stripe's API at the sandbox."""
        headers = {"authorization": f"Bearer {key}"} | {name.replace("_", "-"): is_ for name, is_ in headers.items()}
        sent = {"params": form} if method == "GET" else {"data": form}
        return await self.http.request(method, self.layout.url("sandbox") + path, headers=headers, **sent)

    async def sandbox(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call a control route of the sandbox."""
        url = f"{self.layout.url('sandbox')}/_sandbox{path}"
        return (await self.http.request(method, url, json=body)).raise_for_status()

    async def tutormesh(self, *words: str, **settings: str) -> CommandResult:
        """Run `tutormesh` in a process of its own."""
        env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        mesh = {name: is_ for name, is_ in self.layout.settings.items() if name.startswith("TUTORMESH_")}
        process = await asyncio.create_subprocess_exec(
            TUTORMESH, *words, env=env | mesh | settings, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return CommandResult(process.returncode, out.decode(), err.decode())
