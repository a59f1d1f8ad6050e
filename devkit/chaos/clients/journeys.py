"""The journey of one order: buy, perhaps several times at once, pay or not, perhaps cancel, and read the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import httpx

from devkit.chaos.clients.apps import BOOKING, ENROLLMENTS, QUOTE, Answer, Browser, Edge
from devkit.chaos.clients.people import NONE, PAUSE_SECONDS, People, ask_until_final
from devkit.chaos.ledger import Ledger, View
from devkit.chaos.orders import LESSON, Seat, product_of
from devkit.chaos.plan import Cancel, Journey

#: A person gives up after this time.
GIVE_UP_SECONDS = 25.0
LOOKS, LOOK_EVERY = 6, 0.8
CANCEL_REFUSALS = frozenset({"NOT_CANCELLABLE", "QUOTE_EXPIRED"})


class Journeys:
    """Runs journeys, and records in the ledger what they see. `offers` are the fields that the edge has."""

    def __init__(
        self,
        edge: Edge,
        browser: Browser,
        control: httpx.AsyncClient,
        people: People,
        ledger: Ledger,
        offers: frozenset[str],
    ) -> None:
        self._edge, self._browser, self._control = edge, browser, control
        self._people, self._ledger, self._offers = people, ledger, offers

    async def run(self, journey: Journey) -> View | None:
        """Run a journey to its end, or until the person gives up. Returns what was bought, or None."""
        deadline = time.time() + GIVE_UP_SECONDS
        sold = product_of(journey.order)
        if isinstance(journey.order, Seat) and not await self._people.open(self._edge, journey.order, deadline):
            return None
        self._ledger.counts[f"{sold.noun} attempts"] += journey.at_once
        views = await asyncio.gather(*(self._buy(journey, deadline) for _ in range(journey.at_once)))
        view = next((view for view in views if view is not None), None)
        if view is None:
            return None
        await self._queue_fault(journey, view)
        parts = [self._pay(journey, view)]
        if journey.cancel is not None and sold.offer in self._offers:
            parts.append(self._cancel(journey.cancel, view, deadline))
        if journey.repeats:
            parts.append(self._repeat(journey, deadline))
        await asyncio.gather(*parts)
        await self._follow(view)
        return view

    async def look(self, view: View) -> str:
        """The status that its student sees, or "" when the edge gives no answer."""
        shown = await (self._fetch_enrollment(view) if isinstance(view.order, Seat) else self._fetch_booking(view))
        if not shown:
            return ""
        view.record_status(shown["status"])
        return str(shown["status"])

    async def _fetch_booking(self, view: View) -> Any:
        return (await self._edge.ask(self._student(view.student), BOOKING, NONE, id=view.id)).value

    async def _fetch_enrollment(self, view: View) -> Any:
        """Read pages until the enrollment is found. A course that shows more students than seats is a finding."""
        page: Any = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while page and page["pageInfo"]["hasNextPage"]:
            after = page["pageInfo"]["endCursor"]
            page = (await self._edge.ask(self._student(view.student), ENROLLMENTS, NONE, after=after)).value
            for node in page["nodes"] if page else ():
                course = node["course"]
                if course and course["seatsTaken"] > course["seats"]:
                    self._ledger.add_finding(f"course {course['id']} has {course['seats']} seats and shows {course}")
                if node["id"] == view.id:
                    return node
        if page:
            self._ledger.add_finding(f"{view.name} is not among its student's enrollments")
        return None

    async def _buy(self, journey: Journey, deadline: float) -> View | None:
        """Buy, and wait for the client secret while a payment is due. None when the order is refused or not answered."""
        while True:
            answer = await ask_until_final(
                lambda: self._send_order(journey, product_of(journey.order).refusals), deadline
            )
            self._ledger.refused.update(answer.refusals)
            if answer.refusals or not answer.value or answer.is_for_later:
                return None
            view = self._record_answer(journey, answer)
            if view is None or view.intent or view.statuses[-1] != "PAYMENT_REQUIRED":
                return view
            if time.time() > deadline:
                if journey.order.price:
                    self._ledger.add_finding(f"{view.name} awaits payment; it has no client secret")
                return view
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send_order(self, journey: Journey, known: frozenset[str], *, other: bool = False) -> Answer:
        arguments = self._people.arguments(journey.order, other=other)
        student = self._student(journey.student)
        return await self._edge.ask(
            student, product_of(journey.order).buy, known, key=journey.key if journey.keyed else None, **arguments
        )

    def _record_answer(self, journey: Journey, answer: Answer) -> View | None:
        payload, noun = answer.value, product_of(journey.order).noun
        sold, saga = payload[noun], payload["sagaId"]
        if sold is None:
            if not answer.codes:
                self._ledger.add_finding(f"saga {saga}: the edge gave neither its {noun} nor an error")
            return None
        view = self._ledger.view_of(sold["id"], journey.student, journey.order, saga)
        view.record_status(sold["status"])
        if journey.keyed:
            self._ledger.record_result(journey, sold["id"])
        if payload["clientSecret"]:  # null when nothing is left to pay, even if the status does not show it yet
            if view.intent not in ("", payload["paymentIntentId"]):
                self._ledger.add_finding(f"{view.name} was given {view.intent}, then {payload['paymentIntentId']}")
            view.intent, view.secret = payload["paymentIntentId"], payload["clientSecret"]
        return view

    async def _queue_fault(self, journey: Journey, view: View) -> None:
        provider_fault = journey.provider_fault
        if provider_fault is None or not view.intent:
            return
        fault = {**provider_fault.body(), "path": f"/v1/payment_intents/{view.intent}{provider_fault.path}"}
        try:
            await self._control.post("/_sandbox/faults", json=fault)
        except httpx.TransportError:
            return  # the provider is dead, which is fault enough
        self._ledger.faults[f"{provider_fault.kind} (one intent)"] += 1

    async def _pay(self, journey: Journey, view: View) -> None:
        await asyncio.sleep(journey.think)
        for card in journey.cards if view.intent else ():
            outcome = await self._pay_with(view, card)
            self._ledger.counts[f"payments {outcome}"] += 1
            if outcome == "succeeded":
                view.paid = True
            if outcome != "declined":
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _pay_with(self, view: View, card: str) -> str:
        outcome = "unknown"
        for _ in range(4):
            outcome = await self._browser.pay(view.intent, view.secret, card)
            if outcome == "requires_action":
                outcome = await self._browser.authenticate(view.intent)
            if outcome == "unknown":  # the payment may have succeeded: Stripe.js reads the intent before it tries again
                outcome = await self._browser.status(view.intent, view.secret)
            if outcome in ("succeeded", "declined", "refused", "canceled"):
                return outcome
            await asyncio.sleep(PAUSE_SECONDS)
        return outcome

    async def _cancel(self, cancel: Cancel, view: View, deadline: float) -> None:
        await asyncio.sleep(cancel.after)
        person = (
            self._student(view.student) if cancel.by == "student" else ("tutor", self._people.tutors[view.order.tutor])
        )
        token, promised = (
            await self._fetch_quote(person, view) if cancel.quoted and view.product is LESSON else (None, None)
        )
        view.cancels += cancel.at_once
        self._ledger.counts["cancels asked"] += cancel.at_once
        answers = await asyncio.gather(
            *(self._send_cancel(person, view, token, deadline) for _ in range(cancel.at_once))
        )
        gave = {answer.value["refund"]["amountMinor"] for answer in answers if _is_done(answer)}
        # A quote of 0 was made before the payment was known: then more may come back.
        if promised and gave - {promised} and view.cancels == cancel.at_once:
            self._ledger.add_finding(f"{view.name}: {promised} was quoted, the cancel gave {sorted(gave)}")

    async def _fetch_quote(self, person: tuple[str, str], view: View) -> tuple[str | None, int | None]:
        answer = await self._edge.ask(person, QUOTE, frozenset({"BAD_USER_INPUT"}), id=view.id)
        if not answer.value:
            return None, None
        return answer.value["token"], answer.value["refund"]["amountMinor"]

    async def _send_cancel(self, person: tuple[str, str], view: View, token: str | None, deadline: float) -> Answer:
        about = {"id": view.id, "token": token} if view.product is LESSON else {"id": view.id}

        def ask() -> Awaitable[Answer]:
            return self._edge.ask(person, view.product.cancel, CANCEL_REFUSALS, **about)

        answer = await ask_until_final(ask, deadline)
        if _is_done(answer):
            view.refunds.append(answer.value["refund"]["amountMinor"])
            self._ledger.counts["cancels done"] += 1
        self._ledger.counts.update(f"cancels refused {reason}" for reason in answer.refusals)
        return answer

    async def _repeat(self, journey: Journey, deadline: float) -> None:
        """Send the same request again; with its key, another order has to be refused."""
        await asyncio.sleep(PAUSE_SECONDS)
        sold = product_of(journey.order)
        self._ledger.counts[f"{sold.noun} repeats"] += 1
        await self._buy(journey, deadline)
        if journey.keyed:
            answer = await self._send_order(journey, sold.refusals | {"IDEMPOTENCY_MISMATCH"}, other=True)
            if not answer.refusals and answer.value:
                self._ledger.add_finding(f"key {journey.key} of {journey.student} took another order: {answer.value}")

    async def _follow(self, view: View) -> None:
        for _ in range(LOOKS if view.paid else 1):
            if await self.look(view) not in ("", "PAYMENT_REQUIRED"):
                return
            await asyncio.sleep(LOOK_EVERY)

    def _student(self, number: int) -> tuple[str, str]:
        return "student", self._people.student(number)


def _is_done(answer: Answer) -> bool:
    return bool(answer.value) and not answer.refusals and answer.value["refund"] is not None
