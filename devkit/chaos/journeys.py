"""One wish as it is lived: buy, perhaps twice at once, pay or not, change one's mind, look at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import httpx

from devkit.chaos.client import BOOKING, ENROLLMENTS, QUOTE, Answer, Browser, Edge
from devkit.chaos.ledger import Ledger, View
from devkit.chaos.people import NONE, PAUSE_SECONDS, Cast, insist
from devkit.chaos.plan import Cancel, Journey
from devkit.chaos.wares import LESSON, Place, ware

#: A person gives up after so long.
PATIENCE_SECONDS = 25.0
LOOKS, LOOK_EVERY = 6, 0.8
CANCEL_REFUSALS = frozenset({"NOT_CANCELLABLE", "QUOTE_EXPIRED"})


class Journeys:
    """Lives journeys, and writes down what was told. `offers` are the fields that the edge has."""

    def __init__(
        self, edge: Edge, browser: Browser, control: httpx.AsyncClient, people: Cast, ledger: Ledger, offers: frozenset[str]
    ) -> None:  # fmt: skip
        self._edge, self._browser, self._control = edge, browser, control
        self._people, self._ledger, self._offers = people, ledger, offers

    async def live(self, journey: Journey) -> View | None:
        """From the wish to its end, or until patience is out. What was bought, None when there is nothing."""
        deadline = time.time() + PATIENCE_SECONDS
        sold = ware(journey.wish)
        if isinstance(journey.wish, Place) and not await self._people.open(self._edge, journey.wish, deadline):
            return None
        self._ledger.counts[f"{sold.noun} attempts"] += journey.at_once
        views = await asyncio.gather(*(self._buy(journey, deadline) for _ in range(journey.at_once)))
        view = next((view for view in views if view is not None), None)
        if view is None:
            return None
        await self._order_trouble(journey, view)
        ways = [self._pay(journey, view)]
        if journey.cancel is not None and sold.offer in self._offers:
            ways.append(self._cancel(journey.cancel, view, deadline))
        if journey.repeats:
            ways.append(self._repeat(journey, deadline))
        await asyncio.gather(*ways)
        await self._follow(view)
        return view

    async def look(self, view: View) -> str:
        """Its status as its student sees it, or nothing when the edge gives no answer."""
        shown = await (self._enrollment(view) if isinstance(view.wish, Place) else self._booking(view))
        if not shown:
            return ""
        view.hears(shown["status"])
        return str(shown["status"])

    async def _booking(self, view: View) -> Any:
        return (await self._edge.ask(self._student(view.student), BOOKING, NONE, id=view.id)).value

    async def _enrollment(self, view: View) -> Any:
        """Page by page until it is there. A course must never show more students than seats."""
        page: Any = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while page and page["pageInfo"]["hasNextPage"]:
            after = page["pageInfo"]["endCursor"]
            page = (await self._edge.ask(self._student(view.student), ENROLLMENTS, NONE, after=after)).value
            for node in page["nodes"] if page else ():
                course = node["course"]
                if course and course["seatsTaken"] > course["seats"]:
                    self._ledger.finds(f"course {course['id']} has {course['seats']} seats and shows {course}")
                if node["id"] == view.id:
                    return node
        if page:
            self._ledger.finds(f"{view.name} is not among its student's enrollments")
        return None

    async def _buy(self, journey: Journey, deadline: float) -> View | None:
        """What was bought, with what to pay it with while it can be; None when it is refused or not to be had."""
        while True:
            answer = await insist(lambda: self._asked(journey, ware(journey.wish).refusals), deadline)
            self._ledger.refused.update(answer.refusals)
            if answer.refusals or not answer.value or answer.is_for_later:
                return None
            view = self._told(journey, answer)
            if view is None or view.intent or view.told[-1] != "PAYMENT_REQUIRED":
                return view
            if time.time() > deadline:
                if journey.wish.price:
                    self._ledger.finds(f"{view.name} awaits payment; nothing to pay with was told")
                return view
            await asyncio.sleep(PAUSE_SECONDS)

    async def _asked(self, journey: Journey, known: frozenset[str], *, other: bool = False) -> Answer:
        order = self._people.order(journey.wish, other=other)
        student = self._student(journey.student)
        return await self._edge.ask(
            student, ware(journey.wish).buy, known, key=journey.key if journey.keyed else None, **order
        )

    def _told(self, journey: Journey, answer: Answer) -> View | None:
        told, noun = answer.value, ware(journey.wish).noun
        sold, saga = told[noun], told["sagaId"]
        if sold is None:
            if not answer.codes:
                self._ledger.finds(f"saga {saga}: the edge gave neither its {noun} nor an error")
            return None
        view = self._ledger.is_told_of(sold["id"], journey.student, journey.wish, saga)
        view.hears(sold["status"])
        if journey.keyed:
            self._ledger.gave(journey, sold["id"])
        if told["clientSecret"]:  # none once nothing is left to pay, though what is sold may not show it yet
            if view.intent not in ("", told["paymentIntentId"]):
                self._ledger.finds(f"{view.name} was given {view.intent}, then {told['paymentIntentId']}")
            view.intent, view.secret = told["paymentIntentId"], told["clientSecret"]
        return view

    async def _order_trouble(self, journey: Journey, view: View) -> None:
        trouble = journey.trouble
        if trouble is None or not view.intent:
            return
        order = {"method": trouble.method, "path": f"/v1/payment_intents/{view.intent}{trouble.path}",
                 "fault": trouble.fault, "times": trouble.times, "delay_ms": trouble.delay_ms}  # fmt: skip
        try:
            await self._control.post("/_sandbox/faults", json=order)
        except httpx.TransportError:
            return  # the provider is dead: trouble enough
        self._ledger.faults[f"{trouble.fault} (one intent)"] += 1

    async def _pay(self, journey: Journey, view: View) -> None:
        await asyncio.sleep(journey.think)
        for card in journey.cards if view.intent else ():
            said = await self._paid_with(view, card)
            self._ledger.counts[f"payments {said}"] += 1
            if said == "succeeded":
                view.paid = True
            if said != "declined":
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _paid_with(self, view: View, card: str) -> str:
        said = "unknown"
        for _ in range(4):
            said = await self._browser.pay(view.intent, view.secret, card)
            if said == "requires_action":
                said = await self._browser.authenticate(view.intent)
            if said == "unknown":  # it may have happened: Stripe.js looks before it asks again
                said = await self._browser.status(view.intent, view.secret)
            if said in ("succeeded", "declined", "refused", "canceled"):
                return said
            await asyncio.sleep(PAUSE_SECONDS)
        return said

    async def _cancel(self, cancel: Cancel, view: View, deadline: float) -> None:
        await asyncio.sleep(cancel.after)
        person = (
            self._student(view.student) if cancel.by == "student" else ("tutor", self._people.tutors[view.wish.tutor])
        )
        token, promised = await self._quoted(person, view) if cancel.quoted and view.ware is LESSON else (None, None)
        view.cancels += cancel.at_once
        self._ledger.counts["cancels asked"] += cancel.at_once
        answers = await asyncio.gather(*(self._cancelled(person, view, token, deadline) for _ in range(cancel.at_once)))
        gave = {answer.value["refund"]["amountMinor"] for answer in answers if _is_done(answer)}
        # Quoted as unpaid while the money was on its way: more than nothing comes back then.
        if promised and gave - {promised} and view.cancels == cancel.at_once:
            self._ledger.finds(f"{view.name}: {promised} was quoted, the cancel gave {sorted(gave)}")

    async def _quoted(self, person: tuple[str, str], view: View) -> tuple[str | None, int | None]:
        answer = await self._edge.ask(person, QUOTE, frozenset({"BAD_USER_INPUT"}), id=view.id)
        if not answer.value:
            return None, None
        return answer.value["token"], answer.value["refund"]["amountMinor"]

    async def _cancelled(self, person: tuple[str, str], view: View, token: str | None, deadline: float) -> Answer:
        about = {"id": view.id, "token": token} if view.ware is LESSON else {"id": view.id}

        def ask() -> Awaitable[Answer]:
            return self._edge.ask(person, view.ware.cancel, CANCEL_REFUSALS, **about)

        answer = await insist(ask, deadline)
        if _is_done(answer):
            view.refunds.append(answer.value["refund"]["amountMinor"])
            self._ledger.counts["cancels done"] += 1
        self._ledger.counts.update(f"cancels refused {reason}" for reason in answer.refusals)
        return answer

    async def _repeat(self, journey: Journey, deadline: float) -> None:
        """The same request again gives the same; with its key and another wish it is refused."""
        await asyncio.sleep(PAUSE_SECONDS)
        sold = ware(journey.wish)
        self._ledger.counts[f"{sold.noun} repeats"] += 1
        await self._buy(journey, deadline)
        if journey.keyed:
            answer = await self._asked(journey, sold.refusals | {"IDEMPOTENCY_MISMATCH"}, other=True)
            if not answer.refusals and answer.value:
                self._ledger.finds(f"key {journey.key} of {journey.student} took another wish: {answer.value}")

    async def _follow(self, view: View) -> None:
        for _ in range(LOOKS if view.paid else 1):
            if await self.look(view) not in ("", "PAYMENT_REQUIRED"):
                return
            await asyncio.sleep(LOOK_EVERY)

    def _student(self, number: int) -> tuple[str, str]:
        return "student", self._people.students[number]


def _is_done(answer: Answer) -> bool:
    return bool(answer.value) and not answer.refusals and answer.value["refund"] is not None
