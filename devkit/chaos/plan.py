"""What a seed decides: who orders what and when, how it is paid or cancelled, and which faults happen. Pure."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from devkit.chaos.orders import SEAT_PRICE, Lesson, Order, Seat

#: How many students order things at a moment, and the seconds until new ones take their place: somebody who abandons five
#: orders has to wait.
STUDENTS, STUDENTS_CHANGE_SECONDS, TUTORS = 12, 20.0, 3
#: How many half hours can be ordered at a moment, and the seconds until this window moves on by one.
WINDOW, WINDOW_MOVES_SECONDS = 12, 0.5
#: A crowd arrives about every 0.65 seconds; most crowds are one person.
CROWD_EVERY_SECONDS = 0.65
CROWDS = (1, 1, 1, 1, 2, 2, 3, 5)
#: How many courses can be ordered at a moment, and the seconds until a new one replaces the oldest.
COURSES, COURSES_MOVE_SECONDS = 2, 4.0
SEATS_EVERY_SECONDS, SEAT_CROWDS = 1.6, (1, 2, 2, 3, 6)
COURSE_SIZES, SEAT_PRICES = (1, 1, 2, 3), (SEAT_PRICE, SEAT_PRICE, SEAT_PRICE, 0)
#: The number of the first journey to a course.
FIRST_SEAT = 500_000
CARDS: Sequence[tuple[tuple[str, ...], int]] = (
    (("visa",), 46),
    (("chargeDeclined", "visa"), 10),
    (("chargeDeclinedInsufficientFunds", "chargeDeclined", "chargeDeclined"), 8),
    (("authenticationRequired",), 10),
    ((), 26),  # an abandoned hold
)
#: The bag from which kills are drawn. It is emptied before it is filled again, so every program is killed early.
KILLS = ("payment", "payment", "payment", "booking", "availability", "session", "learning", "bff", "sandbox")
KILL_GAP, DATABASE_GAP, WEBHOOKS_GAP, PROVIDER_GAP = (2.0, 5.5), (14.0, 24.0), (3.0, 7.0), (1.5, 5.0)
CREATE, REFUNDS = ("POST", "/v1/payment_intents"), ("POST", "/v1/refunds")
LISTS = (("GET", "/v1/payment_intents"), ("GET", "/v1/refunds"), ("GET", "/v1/charges"))
#: Calls for one PaymentIntent that can fail: the payer's confirmation, our cancel, our read.
ON_ONE_INTENT = (("POST", "/confirm"), ("POST", "/cancel"), ("GET", ""))
TROUBLES = ("error_before", "error_after", "timeout_after", "rate_limit", "slow")


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """A fault of the provider in one kind of call. A path that does not begin with /v1 is below one PaymentIntent."""

    method: str
    path: str
    kind: str
    times: int = 1
    delay_ms: int = 1000

    def body(self) -> dict[str, object]:
        """The body of the control request that queues it."""
        return {
            "method": self.method,
            "path": self.path,
            "fault": self.kind,
            "times": self.times,
            "delay_ms": self.delay_ms,
        }


@dataclass(frozen=True, slots=True)
class Cancel:
    """A cancel after some seconds, by student or tutor, several `at_once`, after a quote or without one."""

    after: float
    by: str
    at_once: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Journey:
    """One student's order of a lesson or a seat, `at` seconds after the start.

    | field | meaning |
    |---|---|
    | `keyed` | the request has an idempotency key |
    | `at_once` | how many times the request is sent at the same time |
    | `think` | seconds before the student pays |
    | `cards` | the cards that the student tries, one after the other; none abandons the hold |
    | `repeats` | the request is sent again later |
    """

    number: int
    at: float
    student: int
    order: Order
    keyed: bool
    at_once: int
    think: float
    cards: tuple[str, ...]
    repeats: bool
    cancel: Cancel | None
    provider_fault: ProviderFault | None

    @property
    def key(self) -> str:
        """Its idempotency key, if it is `keyed`."""
        return f"order-{self.number}"


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill one process of a program. `pick`, from [0, 1), chooses the replica; `aimed` prefers one that runs a saga."""

    at: float
    program: str
    pick: float
    how: signal.Signals = signal.SIGKILL
    aimed: bool = False


@dataclass(frozen=True, slots=True)
class WebhookMode:
    """Deliver events in this mode from now on."""

    at: float
    mode: str
    delay_ms: int


@dataclass(frozen=True, slots=True)
class ProviderFailure:
    """Make the next calls of one kind fail."""

    at: float
    provider_fault: ProviderFault


Fault = Kill | WebhookMode | ProviderFailure


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides, each part ordered by time."""

    journeys: tuple[Journey, ...]
    faults: tuple[Fault, ...]


def draw_plan(seed: int, seconds: float) -> Plan:
    """The plan for a seed and a number of seconds; the same two always give the same plan."""
    faults = [fault for draw in (_kills, _database, _webhooks, _provider) for fault in draw(seed, seconds)]
    journeys = sorted(_journeys(seed, seconds), key=lambda journey: journey.at)
    return Plan(tuple(journeys), tuple(sorted(faults, key=lambda fault: fault.at)))


def _dice(seed: int, what: str) -> random.Random:
    """The random source of one kind of event. Each kind has its own, so that one does not change the others."""
    return random.Random(f"{seed}:{what}")  # noqa: S311 - it has to be repeatable, not secret


def _times(dice: random.Random, seconds: float, gap: tuple[float, float]) -> Iterator[float]:
    at = dice.uniform(0.5, gap[1])
    while at < seconds:
        yield at
        at += dice.uniform(*gap)


def _journeys(seed: int, seconds: float) -> Iterator[Journey]:
    yield from _crowds(_dice(seed, "journeys"), seconds, CROWD_EVERY_SECONDS, CROWDS, _lesson, 0)
    courses: dict[int, Seat] = {}

    def draw_seat(dice: random.Random, at: float) -> Seat:
        course = int(at / COURSES_MOVE_SECONDS) + dice.randrange(COURSES)
        return courses.setdefault(course, _course(_dice(seed, f"course {course}"), course))

    yield from _crowds(_dice(seed, "places"), seconds, SEATS_EVERY_SECONDS, SEAT_CROWDS, draw_seat, FIRST_SEAT)


def _lesson(dice: random.Random, at: float) -> Lesson:
    return Lesson(dice.randrange(TUTORS), int(at / WINDOW_MOVES_SECONDS) + dice.randrange(WINDOW))


def _course(dice: random.Random, number: int) -> Seat:
    return Seat(number, dice.randrange(TUTORS), dice.choice(COURSE_SIZES), dice.choice(SEAT_PRICES))


def _crowds(
    dice: random.Random,
    seconds: float,
    every: float,
    sizes: Sequence[int],
    order: Callable[[random.Random, float], Order],
    first: int,
) -> Iterator[Journey]:
    """Journeys of crowds: several students order the same at the same moment, about `every` so many seconds."""
    at, number = 0.0, first
    while at < seconds:
        wanted = order(dice, at)
        generation = int(at / STUDENTS_CHANGE_SECONDS)
        for student in dice.sample(range(STUDENTS), dice.choice(sizes)):
            yield _journey(dice, number, at, generation * STUDENTS + student, wanted)
            number += 1
        at += dice.expovariate(1 / every)


def _journey(dice: random.Random, number: int, at: float, student: int, order: Order) -> Journey:
    cards, weights = zip(*CARDS, strict=True)
    return Journey(
        number=number,
        at=at,
        student=student,
        order=order,
        keyed=dice.random() < 0.6,
        at_once=dice.choice((1, 1, 1, 2, 3)),
        think=dice.choice((0.0, 0.0, 0.5, 2.0, dice.uniform(0, 14))),
        cards=dice.choices(cards, weights)[0],
        repeats=dice.random() < 0.35,
        cancel=_cancel(dice) if dice.random() < 0.3 else None,
        provider_fault=_on_one_intent(dice) if dice.random() < 0.15 else None,
    )


def _cancel(dice: random.Random) -> Cancel:
    """A cancel before the payment, at the same moment, or after it."""
    after = dice.choice((0.0, 0.1, 0.5, 2.0, 5.0, 8.0))
    return Cancel(after, dice.choice(("student", "student", "tutor")), dice.choice((1, 1, 2, 3)), dice.random() < 0.5)


def _on_one_intent(dice: random.Random) -> ProviderFault:
    method, path = dice.choice(ON_ONE_INTENT)
    return ProviderFault(method, path, dice.choice(TROUBLES), dice.choice((1, 1, 2)), dice.randrange(300, 4000))


def _kills(seed: int, seconds: float) -> Iterator[Fault]:
    dice = _dice(seed, "kills")
    bag: list[str] = []
    for at in _times(dice, seconds, KILL_GAP):
        bag = bag or dice.sample(KILLS, len(KILLS))
        program = bag.pop()
        yield Kill(at, program, dice.random(), aimed=program == "payment" and dice.random() < 0.7)


def _database(seed: int, seconds: float) -> Iterator[Fault]:
    """Kills of PostgreSQL, and restarts by SIGINT, which is its fast shutdown."""
    dice = _dice(seed, "database")
    for at in _times(dice, seconds, DATABASE_GAP):
        yield Kill(at, "postgres", 0.0, dice.choice((signal.SIGKILL, signal.SIGINT)))


def _webhooks(seed: int, seconds: float) -> Iterator[Fault]:
    dice = _dice(seed, "webhooks")
    modes = ("normal", "normal", "duplicate", "duplicate", "reverse", "drop", "paused")
    for at in _times(dice, seconds, WEBHOOKS_GAP):
        yield WebhookMode(at, dice.choice(modes), dice.choice((0, 0, 300, 2500)))


def _provider(seed: int, seconds: float) -> Iterator[Fault]:
    dice = _dice(seed, "provider")
    for at in _times(dice, seconds, PROVIDER_GAP):
        method, path = dice.choice((CREATE, CREATE, CREATE, REFUNDS, REFUNDS, *LISTS))
        kinds = (*TROUBLES, "refund_pending") if (method, path) == REFUNDS else TROUBLES
        provider_fault = ProviderFault(
            method, path, dice.choice(kinds), dice.choice((1, 2, 4)), dice.randrange(300, 4000)
        )
        yield ProviderFailure(at, provider_fault)
