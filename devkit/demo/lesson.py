"""`make demo`: sell one lesson on a running mesh, over HTTP as an app would do it, and print each step."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from devkit import layout
from devkit.environment import SANDBOX_KEYS, uses_sandbox

CONFIRMED_WITHIN_SECONDS = 20
MAX_ENTRIES = 20
Print = Callable[[str], None]

PUBLISH = """mutation ($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) { userErrors { code message } }
}"""
SLOTS = """query ($tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start end price { display } }
}"""
BOOK = """mutation ($tutor: ID!, $time: AWSDateTime!) {
  bookSession(tutorId: $tutor, time: $time, purpose: "A first lesson") {
    booking { id status price { display } } clientSecret paymentIntentId holdExpiresAt userErrors { code message }
  }
}"""
BOOKING = """query ($id: ID!) {
  booking(id: $id) { status session { id status } payment { status amount { display } } timeline { at service event } }
}"""


class DemoFailed(Exception):
    """The mesh gave an answer that a healthy one does not give."""


class Unavailable(DemoFailed):
    """A part of the mesh cannot answer now; the same request may be sent again."""


class App:
    """The app of a tutor or a student: it calls GraphQL with their token."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        self._http, self._url, self._token = http, url, token

    async def ask(self, query: str, **variables: object) -> Any:
        """Return the answer's only field. Raises Unavailable, or DemoFailed on any other error or user error."""
        answer = await self._http.post(
            f"{self._url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self._token}"},
        )
        body = answer.json()
        for error in body.get("errors", ()):
            raise (Unavailable if error["extensions"]["code"] == "UNAVAILABLE" else DemoFailed)(error["message"])
        (value,) = body["data"].values()
        if isinstance(value, dict) and value.get("userErrors"):
            raise DemoFailed(value["userErrors"][0]["message"])
        return value


async def sell_lesson(mesh: layout.Layout, tell: Print = print) -> str:
    """Publish hours, book, pay, and wait until the booking is CONFIRMED. Returns its id.

    Raises DemoFailed, and Misconfigured in production.
    """
    if not uses_sandbox(mesh.settings):
        raise DemoFailed("the demo pays with a test card at the Stripe sandbox; this mesh uses a real Stripe account")
    layout.check_development(mesh.settings)
    tutor, signer = str(uuid.uuid4()), mesh.signer()
    of_tutor, of_student = signer.token("tutor", subject=tutor), signer.token("student", subject=str(uuid.uuid4()))
    return await sell_lesson_at(mesh.url("bff"), mesh.url("sandbox"), tutor, of_tutor, of_student, tell)


async def sell_lesson_at(
    edge: str, sandbox: str, tutor: str, of_tutor: str, of_student: str, tell: Print = print
) -> str:
    """Sell one lesson of the tutor at these URLs, with the tokens of both people. Returns the booking's id.

    Raises DemoFailed.
    """
    async with httpx.AsyncClient(timeout=15, trust_env=False) as http:
        teaching, learning = App(http, edge, of_tutor), App(http, edge, of_student)
        await _publish(teaching, tutor, tell)
        slot = await _first_slot(learning, tutor, tell)
        booked = await learning.ask(BOOK, tutor=tutor, time=slot["start"])
        booking = booked["booking"]
        tell(f"booked       {booking['id']} is {booking['status']}, {booking['price']['display']}")
        await _pay(http, sandbox, booked, tell)
        await _wait_until_confirmed(learning, booking["id"], tell)
    return str(booking["id"])


async def _publish(tutor: App, tutor_id: str, tell: Print) -> None:
    days = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY".split()
    weekly = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in days]
    rate = {"amountMinor": 5000, "currency": "USD"}
    await tutor.ask(PUBLISH, input={"timezone": "America/New_York", "weekly": weekly, "rate": rate})
    tell(f"published    tutor {tutor_id}: every day 09:00-17:00 in New York")


async def _first_slot(student: App, tutor: str, tell: Print) -> Any:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    day_after = tomorrow + timedelta(days=2)
    slots = await student.ask(SLOTS, tutor=tutor, **{"from": tomorrow.isoformat(), "to": day_after.isoformat()})
    if not slots:
        raise DemoFailed("the tutor has no free slots")
    tell(f"slots        {len(slots)} are free; the first is {slots[0]['start']} for {slots[0]['price']['display']}")
    return slots[0]


async def _pay(http: httpx.AsyncClient, sandbox: str, booked: Any, tell: Print) -> None:
    """Pay as Stripe.js does: with the publishable key and the client secret."""
    answer = await http.post(
        f"{sandbox}/v1/payment_intents/{booked['paymentIntentId']}/confirm",
        data={"payment_method": "pm_card_visa", "client_secret": booked["clientSecret"]},
        headers={"Authorization": f"Bearer {SANDBOX_KEYS['STRIPE_PUBLISHABLE_KEY']}"},
    )
    if answer.status_code != httpx.codes.OK:
        raise DemoFailed(f"the payment was refused: {answer.text[:200]}")
    tell(f"paid         {booked['paymentIntentId']} with pm_card_visa: {answer.json()['status']}")


async def _wait_until_confirmed(student: App, booking: str, tell: Print) -> None:
    async def poll() -> Any:
        while True:
            with contextlib.suppress(Unavailable):
                seen = await student.ask(BOOKING, id=booking)
                if seen["status"] == "CONFIRMED":
                    return seen
            await asyncio.sleep(0.1)

    try:
        seen = await asyncio.wait_for(poll(), CONFIRMED_WITHIN_SECONDS)
    except TimeoutError:
        raise DemoFailed(f"the booking is not CONFIRMED after {CONFIRMED_WITHIN_SECONDS} s") from None
    for entry in seen["timeline"][:MAX_ENTRIES]:
        tell(f"  {entry['at']}  {entry['service']}: {entry['event']}")
    tell(f"CONFIRMED    session {seen['session']['id']}, payment {seen['payment']['status']}")


def main() -> None:
    """Sell one lesson on the mesh that the environment names."""
    mesh = layout.load()
    try:
        asyncio.run(sell_lesson(mesh))
    except (DemoFailed, layout.Misconfigured) as error:
        sys.exit(f"demo: {error}")
    except httpx.TransportError as error:
        sys.exit(f"demo: no mesh answers at {mesh.url('bff')} ({error}); start one with: make up")


if __name__ == "__main__":
    main()
