"""A running mesh as those see it who only have its addresses: HTTP, the sandbox, and the command."""

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
#: CONTRACT.md: every GraphQL call answers within 10 s. Nobody here waits longer for anything that is one request.
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


async def until(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], bool], seconds: float = 30.0) -> T:
    """The first answer that is so; fails at the deadline with the last one."""
    deadline = time.monotonic() + seconds
    while not is_so(answer := await ask()):
        assert time.monotonic() < deadline, f"still not so: {answer}"
        await asyncio.sleep(0.05)
    return answer


def lesson_time(days: int = 3, hour: int = 10, minute: int = 0) -> datetime:
    """A whole minute some days from now, UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def z(instant: datetime) -> str:
    """As the contract writes an instant: UTC with Z."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Told:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str


@dataclass
class Person:
    """Somebody (or nobody) at the doors of the edge."""

    http: httpx.AsyncClient
    url: str
    id: str
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole GraphQL answer."""
        body = {"query": query, "variables": variables}
        answer = await self.http.post(f"{self.url}/graphql", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, query: str, **variables: Any) -> Any:
        """The value of the only field of a query that must succeed."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def code(self, query: str, **variables: Any) -> str:
        """The `extensions.code` of the only error of a query that must fail."""
        (error,) = (await self.ask(query, **variables))["errors"]
        return str(error["extensions"]["code"])

    async def refused(self, query: str, **variables: Any) -> dict[str, Any]:
        """The only user error of a mutation that a rule must refuse."""
        (error,) = (await self.get(query, **variables))["userErrors"]
        return dict(error)

    async def rest(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        return await self.http.request(method, self.url + path, json=body, headers=headers, **more)

    async def book(self, tutor: Person, start: datetime, **more: Any) -> dict[str, Any]:
        """The payload of a bookSession that must succeed."""
        made = await self.get(BOOK, **{"tutorId": tutor.id, "time": z(start), **more})
        assert made["userErrors"] == [], made
        return dict(made)

    async def booking(self, id: str) -> dict[str, Any]:
        return dict(await self.get(BOOKING, id=id))

    async def until_status(self, id: str, status: str) -> dict[str, Any]:
        return await until(lambda: self.booking(id), lambda booking: booking["status"] == status)


@dataclass
class Outside:
    """The mesh, by its addresses."""

    layout: Layout
    http: httpx.AsyncClient
    #: Everything its processes have said until now.
    said: Callable[[], str]
    #: Bookings made for a later test to find ended.
    left_alone: dict[str, Any] = field(default_factory=dict)

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
        """A tutor who works around the clock in UTC, unless told otherwise."""
        tutor = self.person("tutor")
        given = {"timezone": "UTC", "weekly": ALWAYS, "rate": rate} | hours
        assert await tutor.get(PUBLISH, input=given) == {"userErrors": []}
        return tutor

    async def sold(self, student: Person, tutor: Person, start: datetime) -> dict[str, Any]:
        """A lesson booked, paid and confirmed: the booking."""
        made = await student.book(tutor, start)
        await self.pay(made)
        return await student.until_status(made["booking"]["id"], "CONFIRMED")

    async def pay(self, made: dict[str, Any], card: str = "pm_card_visa") -> httpx.Response:
        """Confirm the payment of a payload as Stripe.js does."""
        form = {"payment_method": card, "client_secret": made["clientSecret"]}
        return await self.stripe(
            "POST", f"/v1/payment_intents/{made['paymentIntentId']}/confirm", form, key="pk_test_sandbox"
        )

    async def stripe(
        self, method: str, path: str, form: dict[str, Any] | None = None, key: str = "sk_test_sandbox", **headers: str
    ) -> httpx.Response:
        """A call of Stripe's API at the sandbox."""
        headers = {"authorization": f"Bearer {key}"} | {name.replace("_", "-"): is_ for name, is_ in headers.items()}
        sent = {"params": form} if method == "GET" else {"data": form}
        return await self.http.request(method, self.layout.url("sandbox") + path, headers=headers, **sent)

    async def sandbox(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A control of the sandbox."""
        url = f"{self.layout.url('sandbox')}/_sandbox{path}"
        return (await self.http.request(method, url, json=body)).raise_for_status()

    async def tutormesh(self, *words: str, **settings: str) -> Told:
        """The command, in a process of its own."""
        env = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        mesh = {name: is_ for name, is_ in self.layout.settings.items() if name.startswith("TUTORMESH_")}
        process = await asyncio.create_subprocess_exec(
            TUTORMESH, *words, env=env | mesh | settings, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Told(process.returncode, out.decode(), err.decode())
