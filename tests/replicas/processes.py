"""A mesh of real processes with two payment_svc, and what students, tutors, Stripe and an operator do with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import httpx

from devkit.processes.child import Child
from tests.devkit.fake_mesh import RealMesh, run_mesh

T = TypeVar("T")
PUBLISH = "mutation ($input: PublishAvailabilityInput!) { publishAvailability(input: $input) { userErrors { code } } }"
BOOK = """mutation ($tutor: ID!, $time: AWSDateTime!, $key: String) {
  bookSession(tutorId: $tutor, time: $time, idempotencyKey: $key) {
    booking { id } paymentIntentId sagaId userErrors { code message retryable }
  }
}"""
WEEK = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY".split()
STRIPE = {"Authorization": "Bearer sk_test_sandbox"}
#: How long an app waits before it repeats a request: a person may book and pay once a second.
REPEAT_SECONDS = 1.0


async def wait_until(
    ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool] = bool, seconds: float = 20.0
) -> T:
    """Ask until the answer meets the condition, and return it. Fails at the deadline with the last answer."""
    deadline = time.monotonic() + seconds
    while not condition(answer := await ask()):
        assert time.monotonic() < deadline, f"the condition is not met after {seconds} s: {answer}"
        await asyncio.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Order:
    """A new student's order of a lesson, with an idempotency key."""

    tutor: UUID
    start: datetime
    student: UUID = field(default_factory=uuid4)
    key: str = field(default_factory=lambda: uuid4().hex)


class UnexpectedAnswer(AssertionError):
    """An answer that is neither a booking nor a typed request to try again."""


@dataclass
class Processes:
    """A running mesh, and connections to its databases."""

    mesh: RealMesh
    http: httpx.AsyncClient
    pools: dict[str, asyncpg.Pool] = field(default_factory=dict)
    #: How often each code was answered instead of a booking.
    refusals: dict[str, int] = field(default_factory=dict)
    #: What the operator's commands are told of this mesh, besides its ports and its data.
    operator_settings: dict[str, str] = field(default_factory=dict)
    #: The edge that people use.
    edge: str = ""

    def __post_init__(self) -> None:
        self.edge = self.edge or self.mesh.layout.url("bff")

    async def sql(self, service: str, statement: str, *values: Any) -> list[Any]:
        """Rows from a service's database."""
        return list(await self.pools[service].fetch(statement, *values))

    async def connect(self) -> None:
        """Connect to the databases, also after a restart of the server, which cuts old connections."""
        assert self.mesh.launcher._postgres is not None
        for service in ("payment", "availability", "booking", "session", "learning"):
            url = self.mesh.launcher._postgres.url(f"tutormesh_{service}").replace("+asyncpg", "")
            if service in self.pools:
                self.pools[service].terminate()
            self.pools[service] = await asyncpg.create_pool(url, min_size=0, max_size=2)
            await self.sql(service, "select 1")

    async def graphql(self, role: str, subject: UUID, query: str, **variables: Any) -> dict[str, Any]:
        token = self.mesh.layout.signer().token(role, subject=str(subject))
        answer = await self.http.post(
            f"{self.edge}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {token}"},
        )
        return dict(answer.json())

    async def tutor(self) -> UUID:
        """A new tutor who works around the clock, every day, in UTC."""
        tutor = uuid4()
        weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in WEEK]
        rate = {"amountMinor": 5000, "currency": "USD"}
        await self.graphql("tutor", tutor, PUBLISH, input={"timezone": "UTC", "weekly": weekly, "rate": rate})
        return tutor

    async def tutors(self, number: int) -> list[UUID]:
        """So many new tutors."""
        return [await self.tutor() for _ in range(number)]

    async def book(self, order: Order) -> dict[str, Any] | None:
        """Send one request. Returns the booking, or None when it may be sent again. Raises UnexpectedAnswer."""
        answer = await self.graphql(
            "student", order.student, BOOK, tutor=str(order.tutor), time=order.start.isoformat(), key=order.key
        )
        payload = (answer.get("data") or {}).get("bookSession") or {}
        if payload.get("booking"):
            return dict(payload)
        refused = payload.get("userErrors") or []
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        if (
            not (refused or codes)
            or not all(error["retryable"] for error in refused)
            or set(codes) - {"UNAVAILABLE", "RATE_LIMITED"}
        ):
            raise UnexpectedAnswer(answer)
        for code in (*codes, *(error["code"] for error in refused)):
            self.refusals[code] = self.refusals.get(code, 0) + 1
        return None

    async def book_until_answered(self, order: Order, seconds: float = 40.0) -> dict[str, Any]:
        """Send the same request with the same key until it gives a booking."""

        async def ask() -> dict[str, Any] | None:
            booked = await self.book(order)
            if booked is None:
                await asyncio.sleep(REPEAT_SECONDS)
            return booked

        booked = await wait_until(ask, lambda answer: answer is not None, seconds)
        assert booked is not None
        return booked

    async def pay(self, intent: str) -> None:
        url = f"{self.mesh.layout.url('sandbox')}/v1/payment_intents/{intent}/confirm"
        (await self.http.post(url, data={"payment_method": "pm_card_visa"}, headers=STRIPE)).raise_for_status()

    async def underpay(self, intent: str) -> None:
        """Pay another amount than the lesson's, which has to be refunded in full."""
        url = f"{self.mesh.layout.url('sandbox')}/v1/payment_intents/{intent}"
        (await self.http.post(url, data={"amount": 100}, headers=STRIPE)).raise_for_status()
        await self.pay(intent)

    async def sandbox(self, verb: str, path: str, /, **body: Any) -> dict[str, Any]:
        answer = await self.http.request(verb, f"{self.mesh.layout.url('sandbox')}/_sandbox/{path}", json=body or None)
        return dict(answer.raise_for_status().json())

    async def stripe_objects(self, what: str, saga_id: UUID) -> list[dict[str, Any]]:
        """Stripe's objects ("payment_intents", "refunds") that carry the saga's id."""
        found = (await self.sandbox("GET", "state"))[what]
        return [item for item in found if item["metadata"].get("sagaId") == str(saga_id)]

    async def fetch_saga(self, order: Order) -> Any:
        """The row of the student's saga; None before it exists."""
        rows = await self.sql(
            "payment", "select *, clock_timestamp() as seen_at from saga where student_id = $1", order.student
        )
        return rows[0] if rows else None

    async def until_state(self, order: Order, state: str, seconds: float = 20.0) -> Any:
        return await wait_until(
            lambda: self.fetch_saga(order), lambda row: row is not None and row["state"] == state, seconds
        )

    def replica(self, pid: int) -> Child:
        """The child with this process id."""
        (child,) = (c for c in self.mesh.launcher.children if c.process is not None and c.process.pid == pid)
        return child

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self.mesh.launcher.children if child.process}

    def count_lines(self, name: str, word: str) -> int:
        """How many lines with this word a program has written."""
        return sum(line.startswith(name) and word in line for line in self.mesh.console.lines)

    async def audit(self) -> dict[str, Any]:
        """Run `tutormesh audit --json`, and return its verdict."""
        given = {name: self.mesh.layout.settings[name] for name in ("TUTORMESH_DATA", "TUTORMESH_PORT_BASE")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", "audit", "--full", "--json"),
            env=dict(os.environ) | given | self.operator_settings,
            cwd=self.mesh.layout.root,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode in (0, 1), out
        return dict(json.loads(out))

    async def wait_until_quiescent(self, seconds: float = 40.0) -> None:
        """Wait until no saga runs and no event waits."""
        busy = """
            select kind, id::text, state, error::text from saga where wake_at is not null and state <> 'AWAITING_PAYMENT'
            union all
            select type, id, status, error from stripe_event where status in ('NEWS', 'INBOX')
        """
        await wait_until(lambda: self.sql("payment", busy), lambda rows: not rows, seconds)


def owner_pid(saga: Any) -> int:
    """The process id in a lease's owner, "host:pid:word"."""
    return int(saga["lease_owner"].split(":")[1])


def lesson_time(hours: int = 0) -> datetime:
    """A whole hour, three days and some hours from now, UTC."""
    day = datetime.now(UTC) + timedelta(days=3, hours=hours)
    return day.replace(minute=0, second=0, microsecond=0)


@contextlib.asynccontextmanager
async def processes(folder: Path, **settings: str) -> AsyncIterator[Processes]:
    """Run a mesh while inside."""
    mesh = RealMesh(folder, **settings)
    (mesh.layout.data / "demo.loaded").touch()
    async with run_mesh(mesh), httpx.AsyncClient(timeout=15) as http:
        acting = Processes(mesh, http)
        await acting.connect()
        try:
            yield acting
        finally:
            for pool in acting.pools.values():
                pool.terminate()
