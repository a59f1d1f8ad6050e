"""One wish for a lesson as it is lived: book, perhaps twice at once, pay or not, change one's mind, look at the end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from devkit.chaos.client import BOOK, BOOKING, CANCEL, QUOTE, Answer, Browser, Edge
from devkit.chaos.ledger import Ledger, View
from devkit.chaos.plan import STUDENTS, TUTORS, Cancel, Journey

LESSON_MINUTES, OTHER_MINUTES = 60, 45
#: A person gives up after so long, and asks again after so long.
PATIENCE_SECONDS, PAUSE_SECONDS = 25.0, 0.4
LOOKS, LOOK_EVERY = 6, 0.8
NONE: frozenset[str] = frozenset()
BOOK_REFUSALS = frozenset({"SLOT_TAKEN", "STUDENT_BUSY", "TOO_MANY_HOLDS"})
CANCEL_REFUSALS = frozenset({"NOT_CANCELLABLE", "QUOTE_EXPIRED"})


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, and when the lessons of each tutor begin: the first of them soon enough for half a refund."""

    students: tuple[str, ...]
    tutors: tuple[str, ...]
    firsts: tuple[datetime, ...]

    def start(self, tutor: int, slot: int) -> datetime:
        return self.firsts[tutor] + timedelta(minutes=30 * slot)


def cast(now: datetime) -> Cast:
    """New people, for lessons from 12 hours and from two days from now."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    firsts = [hour + timedelta(hours=13), *(hour + timedelta(days=2) for _ in range(TUTORS - 1))]
    ids = [str(uuid.uuid4()) for _ in range(STUDENTS + TUTORS)]
    return Cast(tuple(ids[:STUDENTS]), tuple(ids[STUDENTS:]), tuple(firsts))


class Journeys:
    """Lives journeys, and writes down what was told. `offers` are the fields that the edge has."""

    def __init__(
        self, edge: Edge, browser: Browser, control: httpx.AsyncClient, people: Cast, ledger: Ledger, offers: frozenset[str]
    ) -> None:  # fmt: skip
        self._edge, self._browser, self._control = edge, browser, control
        self._people, self._ledger, self._offers = people, ledger, offers

    async def live(self, journey: Journey) -> View | None:
        """From the wish to its end, or until patience is out. The booking, None when there is none."""
        deadline = time.time() + PATIENCE_SECONDS
        self._ledger.counts["booking attempts"] += journey.at_once
        views = await asyncio.gather(*(self._book(journey, deadline) for _ in range(journey.at_once)))
        view = next((view for view in views if view is not None), None)
        if view is None:
            return None
        await self._order_trouble(journey, view)
        ways = [self._pay(journey, view)]
        if journey.cancel is not None and "cancelBooking" in self._offers:
            ways.append(self._cancel(journey.cancel, view, deadline))
        if journey.repeats:
            ways.append(self._repeat(journey, deadline))
        await asyncio.gather(*ways)
        await self._follow(view)
        return view

    async def look(self, view: View) -> str:
        """The booking's status as its student sees it, or nothing when the edge gives no answer."""
        answer = await self._edge.ask(self._student(view.student), BOOKING, NONE, id=view.booking)
        if not answer.value:
            return ""
        view.hears(answer.value["status"])
        return str(answer.value["status"])

    async def _book(self, journey: Journey, deadline: float) -> View | None:
        """The booking, with what to pay it with while it can be paid; None when it is refused or not to be had."""
        while True:
            answer = await _insist(lambda: self._asked_to_book(journey, BOOK_REFUSALS, LESSON_MINUTES), deadline)
            self._ledger.refused.update(answer.refusals)
            if answer.refusals or not answer.value or answer.is_for_later:
                return None
            view = self._told(journey, answer)
            if view is None or view.intent or view.told[-1] != "PAYMENT_REQUIRED":
                return view
            if time.time() > deadline:
                self._ledger.finds(
                    f"booking {view.booking} (saga {view.saga}) awaits payment; nothing to pay with was told"
                )
                return view
            await asyncio.sleep(PAUSE_SECONDS)

    async def _asked_to_book(self, journey: Journey, known: frozenset[str], minutes: int) -> Answer:
        return await self._edge.ask(
            self._student(journey.student),
            BOOK,
            known,
            tutor=self._people.tutors[journey.tutor],
            time=self._people.start(journey.tutor, journey.slot).isoformat(),
            minutes=minutes,
            key=_key(journey),
        )

    def _told(self, journey: Journey, answer: Answer) -> View | None:
        told = answer.value
        booking, saga = told["booking"], told["sagaId"]
        if booking is None:
            if not answer.codes:
                self._ledger.finds(f"saga {saga}: bookSession gave neither its booking nor an error")
            return None
        view = self._ledger.is_told_of(booking["id"], journey.student, journey.tutor, saga)
        view.hears(booking["status"])
        if journey.keyed:
            self._ledger.gave(f"{journey.student}/{_key(journey)}", booking["id"])
        if told["clientSecret"]:  # none once nothing is left to pay, though its booking may not show it yet
            if view.intent not in ("", told["paymentIntentId"]):
                self._ledger.finds(f"booking {booking['id']} was given {view.intent}, then {told['paymentIntentId']}")
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
        person = self._student(view.student) if cancel.by == "student" else ("tutor", self._people.tutors[view.tutor])
        token, promised = await self._quoted(person, view) if cancel.quoted else (None, None)
        view.cancels += cancel.at_once
        self._ledger.counts["cancels asked"] += cancel.at_once
        answers = await asyncio.gather(*(self._cancelled(person, view, token, deadline) for _ in range(cancel.at_once)))
        gave = {answer.value["refund"]["amountMinor"] for answer in answers if _is_done(answer)}
        # Quoted as unpaid while the money was on its way: more than nothing comes back then.
        if promised and gave - {promised} and view.cancels == cancel.at_once:
            self._ledger.finds(f"booking {view.booking}: {promised} was quoted, the cancel gave {sorted(gave)}")

    async def _quoted(self, person: tuple[str, str], view: View) -> tuple[str | None, int | None]:
        answer = await self._edge.ask(person, QUOTE, frozenset({"BAD_USER_INPUT"}), id=view.booking)
        if not answer.value:
            return None, None
        return answer.value["token"], answer.value["refund"]["amountMinor"]

    async def _cancelled(self, person: tuple[str, str], view: View, token: str | None, deadline: float) -> Answer:
        def ask() -> Awaitable[Answer]:
            return self._edge.ask(person, CANCEL, CANCEL_REFUSALS, id=view.booking, token=token)

        answer = await _insist(ask, deadline)
        if _is_done(answer):
            view.refunds.append(answer.value["refund"]["amountMinor"])
            self._ledger.counts["cancels done"] += 1
        self._ledger.counts.update(f"cancels refused {reason}" for reason in answer.refusals)
        return answer

    async def _repeat(self, journey: Journey, deadline: float) -> None:
        """The same request again gives the same booking; with its key and another duration it is refused."""
        await asyncio.sleep(PAUSE_SECONDS)
        self._ledger.counts["repeats"] += 1
        await self._book(journey, deadline)
        if journey.keyed:
            known = BOOK_REFUSALS | {"IDEMPOTENCY_MISMATCH"}
            answer = await self._asked_to_book(journey, known, OTHER_MINUTES)
            if not answer.refusals and answer.value:
                self._ledger.finds(f"key {_key(journey)} of {journey.student} took another duration: {answer.value}")

    async def _follow(self, view: View) -> None:
        for _ in range(LOOKS if view.paid else 1):
            if await self.look(view) not in ("", "PAYMENT_REQUIRED"):
                return
            await asyncio.sleep(LOOK_EVERY)

    def _student(self, number: int) -> tuple[str, str]:
        return "student", self._people.students[number]


async def _insist(ask: Callable[[], Awaitable[Answer]], deadline: float) -> Answer:
    """Ask again while the answer is "later" and there is time."""
    while (answer := await ask()).is_for_later and time.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(PAUSE_SECONDS)
    return answer


def _is_done(answer: Answer) -> bool:
    return bool(answer.value) and not answer.refusals and answer.value["refund"] is not None


def _key(journey: Journey) -> str | None:
    return f"wish-{journey.number}" if journey.keyed else None
