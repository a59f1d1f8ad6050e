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

import httpx

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


class Student:
    """A person with an app; after LESSONS_EACH lessons another person."""

    def __init__(self, shop: Shop, person: _AsBff, bookings: booking_pb2_grpc.BookingServiceAsyncStub) -> None:
        self._shop, self._person, self._bookings = shop, person, bookings
        self._bought = 0

    async def buy_lesson(self) -> Sold:
        self._bought += 1
        if self._bought % LESSONS_EACH == 0:
            self._person.person_token = self._shop.new_student()
        began = time.perf_counter()
        tutor, start = self._shop.next_slot()
        booked = await self._shop.ask(self._person.person_token, BOOK, tutor=tutor, time=start.isoformat())
        booked_after = time.perf_counter() - began
        confirmed = asyncio.create_task(self._wait_until_confirmed(booked["booking"]["id"]))
        try:
            await self._shop.pay(booked)
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
    """The mesh as an app sees it, with tutors who teach around the clock. Each slot is booked once."""

    def __init__(self, mesh: Layout, http: httpx.AsyncClient, signer: Signer) -> None:
        self._mesh, self._http, self._signer = mesh, http, signer
        self._tutors = [str(uuid.uuid4()) for _ in range(TUTORS)]
        self._first = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Publish every tutor's hours."""
        weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in DAYS]
        rate = {"amountMinor": 5000, "currency": "USD"}
        for tutor in self._tutors:
            token = self._signer.token("tutor", subject=tutor)
            await self.ask(token, PUBLISH, input={"timezone": "UTC", "weekly": weekly, "rate": rate})

    def next_slot(self) -> tuple[str, datetime]:
        """A tutor, and an hour that nobody has booked yet."""
        number = next(self._numbers)
        return self._tutors[number % TUTORS], self._first + timedelta(hours=number)

    @asynccontextmanager
    async def student(self) -> AsyncIterator[Student]:
        person = _AsBff(self._signer.token("service", service="bff"), self.new_student())
        own = Certificates(files_in(self._mesh.certificates / "bff")) if self._mesh.uses_certificates() else None
        async with connect(self._mesh.address("booking"), person, "booking", own) as channel:
            yield Student(self, person, booking_pb2_grpc.BookingServiceStub(channel))

    def new_student(self) -> str:
        """The token of a student whom nobody knows yet."""
        return self._signer.token("student", subject=str(uuid.uuid4()))

    def token(self, role: str, subject: str) -> str:
        return self._signer.token(role, subject=subject)

    async def ask(self, token: str, query: str, **variables: object) -> Any:
        """Return the answer's only field. Raises LessonFailed on an error or a user error."""
        value = await self.query(token, query, variables)
        if value["userErrors"]:
            raise LessonFailed(str(value["userErrors"]))
        return value

    async def query(self, token: str, query: str, variables: Mapping[str, object]) -> Any:
        """Return the only field of a list's answer. Raises LessonFailed on an error."""
        answer = await self._http.post(
            f"{self._mesh.url('bff')}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {token}"},
        )
        body = answer.json()
        if body.get("errors"):
            raise LessonFailed(str(body["errors"]))
        (value,) = body["data"].values()
        return value

    async def pay(self, booked: Any) -> None:
        """Pay as Stripe.js does: with the publishable key and the client secret."""
        answer = await self._http.post(
            f"{self._mesh.url('sandbox')}/v1/payment_intents/{booked['paymentIntentId']}/confirm",
            data={"payment_method": "pm_card_visa", "client_secret": booked["clientSecret"]},
            headers={"Authorization": f"Bearer {SANDBOX_KEYS['STRIPE_PUBLISHABLE_KEY']}"},
        )
        if answer.status_code != httpx.codes.OK:
            raise LessonFailed(f"the payment was refused: {answer.text[:200]}")


@asynccontextmanager
async def open_shop(mesh: Layout) -> AsyncIterator[Shop]:
    """Open a shop on a running mesh, with published hours."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as http:
        shop = Shop(mesh, http, mesh.signer())
        await shop.open()
        yield shop
