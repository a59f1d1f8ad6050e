"""Sell lessons as an app does: book over GraphQL, pay at the sandbox, and watch a stream for CONFIRMED."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from devkit.environment import SANDBOX_KEYS
from devkit.keys import Signer
from devkit.layout import Layout
from mesh.certificates import Certificates, files_in
from mesh.channels import connect, messages
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc

TUTORS = 8
#: Lessons that one person buys. Then another person uses the app: the edge lets a person buy only so often.
LESSONS_EACH = 10
CONFIRMED_WITHIN_SECONDS = 30.0
DAYS = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY".split()
PUBLISH = """mutation ($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) { userErrors { code message } }
}"""
BOOK = """mutation ($tutor: ID!, $time: AWSDateTime!) {
  bookSession(tutorId: $tutor, time: $time) {
    booking { id status } clientSecret paymentIntentId userErrors { code message }
  }
}"""


class LessonFailed(Exception):
    """The mesh gave an answer that a healthy one does not give."""


@dataclass
class _AsBff:
    """The credentials of the bff on behalf of a student, who can change."""

    service_token: str
    person_token: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-service-token", self.service_token), ("authorization", f"Bearer {self.person_token}"))


@dataclass(frozen=True)
class Sold:
    """How long one lesson took, in seconds: until the booking call returned, and until it was CONFIRMED."""

    booked: float
    confirmed: float


class App:
    """An app: it asks GraphQL, and pays as Stripe.js does. Its connections are its own, as those of a telephone are."""

    def __init__(self, mesh: Layout, http: aiohttp.ClientSession) -> None:
        self._mesh, self._http = mesh, http

    async def ask(self, token: str, query: str, **variables: object) -> Any:
        """Return the answer's only field. Raises LessonFailed on an error or a user error."""
        value = await self.query(token, query, variables)
        if value["userErrors"]:
            raise LessonFailed(str(value["userErrors"]))
        return value

    async def query(self, token: str, query: str, variables: Mapping[str, object]) -> Any:
        """Return the only field of a list's answer. Raises LessonFailed on an error."""
        headers = {"Authorization": f"Bearer {token}"}
        asked = {"query": query, "variables": variables}
        async with self._http.post(f"{self._mesh.url('bff')}/graphql", json=asked, headers=headers) as answer:
            body = await answer.json()
        if body.get("errors"):
            raise LessonFailed(str(body["errors"]))
        (value,) = body["data"].values()
        return value

    async def pay(self, booked: Any) -> None:
        """Pay as Stripe.js does: with the publishable key and the client secret."""
        url = f"{self._mesh.url('sandbox')}/v1/payment_intents/{booked['paymentIntentId']}/confirm"
        form = {"payment_method": "pm_card_visa", "client_secret": booked["clientSecret"]}
        headers = {"Authorization": f"Bearer {SANDBOX_KEYS['STRIPE_PUBLISHABLE_KEY']}"}
        async with self._http.post(url, data=form, headers=headers) as answer:
            if not answer.ok:
                raise LessonFailed(f"the payment was refused: {(await answer.text())[:200]}")
            await answer.read()


class Student:
    """A person with an app; after LESSONS_EACH lessons another person."""

    def __init__(
        self, shop: Shop, app: App, person: _AsBff, bookings: booking_pb2_grpc.BookingServiceAsyncStub
    ) -> None:
        self._shop, self._app, self._person, self._bookings = shop, app, person, bookings
        self._bought = 0

    async def buy_lesson(self) -> Sold:
        self._bought += 1
        if self._bought % LESSONS_EACH == 0:
            self._person.person_token = self._shop.new_student()
        began = time.perf_counter()
        tutor, start = self._shop.next_slot()
        booked = await self._app.ask(self._person.person_token, BOOK, tutor=tutor, time=start.isoformat())
        booked_after = time.perf_counter() - began
        confirmed = asyncio.create_task(self._wait_until_confirmed(booked["booking"]["id"]))
        try:
            await self._app.pay(booked)
            await confirmed
        finally:
            confirmed.cancel()
        return Sold(booked_after, time.perf_counter() - began)

    async def _wait_until_confirmed(self, booking: str) -> None:
        request = booking_pb2.WatchBookingRequest(booking_id=booking)
        stream = self._bookings.WatchBooking(request, timeout=CONFIRMED_WITHIN_SECONDS)
        async for seen in messages(stream):
            if seen.booking.status == booking_pb2.BOOKING_STATUS_CONFIRMED:
                stream.cancel()
                return
        raise LessonFailed("the stream of the booking ended before it was CONFIRMED")


class Shop:
    """Tutors who teach around the clock, and their app. Each slot is booked once."""

    def __init__(self, mesh: Layout, app: App, signer: Signer) -> None:
        self._mesh, self.app, self._signer = mesh, app, signer
        self._tutors = [str(uuid.uuid4()) for _ in range(TUTORS)]
        self._first = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Publish every tutor's hours."""
        weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in DAYS]
        rate = {"amountMinor": 5000, "currency": "USD"}
        for tutor in self._tutors:
            token = self._signer.token("tutor", subject=tutor)
            await self.app.ask(token, PUBLISH, input={"timezone": "UTC", "weekly": weekly, "rate": rate})

    def next_slot(self) -> tuple[str, datetime]:
        """A tutor, and an hour that nobody has booked yet."""
        number = next(self._numbers)
        return self._tutors[number % TUTORS], self._first + timedelta(hours=number)

    @asynccontextmanager
    async def student(self) -> AsyncIterator[Student]:
        person = _AsBff(self._signer.token("service", service="bff"), self.new_student())
        own = Certificates(files_in(self._mesh.certificates / "bff")) if self._mesh.uses_certificates() else None
        booking = connect(self._mesh.address("booking"), person, "booking", own)
        async with booking as channel, _open_app(self._mesh) as app:
            yield Student(self, app, person, booking_pb2_grpc.BookingServiceStub(channel))

    def new_student(self) -> str:
        """The token of a student whom nobody knows yet."""
        return self._signer.token("student", subject=str(uuid.uuid4()))

    def token(self, role: str, subject: str) -> str:
        return self._signer.token(role, subject=subject)


@asynccontextmanager
async def open_shop(mesh: Layout) -> AsyncIterator[Shop]:
    """Open a shop on a running mesh, with published hours."""
    async with _open_app(mesh) as app:
        shop = Shop(mesh, app, mesh.signer())
        await shop.open()
        yield shop


@asynccontextmanager
async def _open_app(mesh: Layout) -> AsyncIterator[App]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http:
        yield App(mesh, http)
