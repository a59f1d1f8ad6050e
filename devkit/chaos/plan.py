"""What a seed decides: who books what when, how it is paid or cancelled, and what breaks meanwhile. Pure."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from devkit.chaos.wares import PLACE_PRICE, Lesson, Place, Wish

STUDENTS, TUTORS = 12, 3
#: Half hours that are open to everybody at a moment, and seconds until the window moves on by one of them.
WINDOW, WINDOW_MOVES_SECONDS = 12, 0.5
#: A crowd arrives about every so many seconds; most crowds are one person.
CROWD_EVERY_SECONDS = 0.65
CROWDS = (1, 1, 1, 1, 2, 2, 3, 5)
#: Courses that are asked for at a moment, and seconds until another takes the place of the oldest.
COURSES, COURSES_MOVE_SECONDS = 2, 4.0
PLACES_EVERY_SECONDS, PLACE_CROWDS = 1.6, (1, 2, 2, 3, 6)
SEATS, PLACE_PRICES = (1, 1, 2, 3), (PLACE_PRICE, PLACE_PRICE, PLACE_PRICE, 0)
#: Journeys to courses are counted from here.
FIRST_PLACE = 500_000
CARDS: Sequence[tuple[tuple[str, ...], int]] = (
    (("visa",), 46),
    (("chargeDeclined", "visa"), 10),
    (("chargeDeclinedInsufficientFunds", "chargeDeclined", "chargeDeclined"), 8),
    (("authenticationRequired",), 10),
    ((), 26),  # an abandoned hold
)
#: Weights in the bag that kills are drawn from: each program comes up before any comes up too often.
KILLS = ("payment", "payment", "payment", "booking", "availability", "session", "learning", "bff", "sandbox")
KILL_GAP, DATABASE_GAP, WEBHOOKS_GAP, PROVIDER_GAP = (2.0, 5.5), (14.0, 24.0), (3.0, 7.0), (1.5, 5.0)
CREATE, REFUNDS = ("POST", "/v1/payment_intents"), ("POST", "/v1/refunds")
LISTS = (("GET", "/v1/payment_intents"), ("GET", "/v1/refunds"), ("GET", "/v1/charges"))
#: Calls about one PaymentIntent that can go wrong: the payer's, the hold's end, our look.
ON_ONE_INTENT = (("POST", "/confirm"), ("POST", "/cancel"), ("GET", ""))
TROUBLES = ("error_before", "error_after", "timeout_after", "rate_limit", "slow")


@dataclass(frozen=True, slots=True)
class Trouble:
    """The provider's failure of one kind of call; a path that begins with / and not with /v1 is below an intent."""

    method: str
    path: str
    fault: str
    times: int = 1
    delay_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Cancel:
    """A cancellation `after` seconds; `by` student or tutor, `at_once` of them, with a quote first or without."""

    after: float
    by: str
    at_once: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Journey:
    """One person's wish for one lesson, or one place in a course, `at` seconds after the start."""

    number: int
    at: float
    student: int
    wish: Wish
    keyed: bool
    at_once: int
    think: float
    cards: tuple[str, ...]
    repeats: bool
    cancel: Cancel | None
    trouble: Trouble | None

    @property
    def key(self) -> str:
        """Its idempotency key, for who gives one."""
        return f"wish-{self.number}"


@dataclass(frozen=True, slots=True)
class Kill:
    """The end of one process of a program; `pick` of [0, 1) chooses among its replicas.

    `aimed`: the replica that drives a saga in that moment.
    """

    at: float
    program: str
    pick: float
    how: signal.Signals = signal.SIGKILL
    aimed: bool = False


@dataclass(frozen=True, slots=True)
class Webhooks:
    """From now on events are delivered in this mode."""

    at: float
    mode: str
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Provider:
    """From now on the next calls of this kind fail."""

    at: float
    trouble: Trouble


Blow = Kill | Webhooks | Provider


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides, each part in order of time."""

    journeys: tuple[Journey, ...]
    blows: tuple[Blow, ...]


def drawn(seed: int, seconds: float) -> Plan:
    """The plan of a seed for a run of so many seconds; always the same for the same two."""
    blows = [blow for draw in (_kills, _database, _webhooks, _provider) for blow in draw(seed, seconds)]
    journeys = sorted(_journeys(seed, seconds), key=lambda journey: journey.at)
    return Plan(tuple(journeys), tuple(sorted(blows, key=lambda blow: blow.at)))


def _dice(seed: int, what: str) -> random.Random:
    """One source per kind of event: more of one kind leaves the others as they were."""
    return random.Random(f"{seed}:{what}")  # noqa: S311 - to be repeated, not to be kept secret


def _times(dice: random.Random, seconds: float, gap: tuple[float, float]) -> Iterator[float]:
    at = dice.uniform(0.5, gap[1])
    while at < seconds:
        yield at
        at += dice.uniform(*gap)


def _journeys(seed: int, seconds: float) -> Iterator[Journey]:
    yield from _crowds(_dice(seed, "journeys"), seconds, CROWD_EVERY_SECONDS, CROWDS, _lesson, 0)
    courses: dict[int, Place] = {}

    def place(dice: random.Random, at: float) -> Place:
        course = int(at / COURSES_MOVE_SECONDS) + dice.randrange(COURSES)
        return courses.setdefault(course, _course(_dice(seed, f"course {course}"), course))

    yield from _crowds(_dice(seed, "places"), seconds, PLACES_EVERY_SECONDS, PLACE_CROWDS, place, FIRST_PLACE)


def _lesson(dice: random.Random, at: float) -> Lesson:
    return Lesson(dice.randrange(TUTORS), int(at / WINDOW_MOVES_SECONDS) + dice.randrange(WINDOW))


def _course(dice: random.Random, number: int) -> Place:
    return Place(number, dice.randrange(TUTORS), dice.choice(SEATS), dice.choice(PLACE_PRICES))


def _crowds(
    dice: random.Random,
    seconds: float,
    every: float,
    sizes: Sequence[int],
    wish: Callable[[random.Random, float], Wish],
    first: int,
) -> Iterator[Journey]:
    """People who want the same in the same moment, about every so many seconds."""
    at, number = 0.0, first
    while at < seconds:
        wanted = wish(dice, at)
        for student in dice.sample(range(STUDENTS), dice.choice(sizes)):
            yield _journey(dice, number, at, student, wanted)
            number += 1
        at += dice.expovariate(1 / every)


def _journey(dice: random.Random, number: int, at: float, student: int, wish: Wish) -> Journey:
    cards, weights = zip(*CARDS, strict=True)
    return Journey(
        number=number,
        at=at,
        student=student,
        wish=wish,
        keyed=dice.random() < 0.6,
        at_once=dice.choice((1, 1, 1, 2, 3)),
        think=dice.choice((0.0, 0.0, 0.5, 2.0, dice.uniform(0, 14))),
        cards=dice.choices(cards, weights)[0],
        repeats=dice.random() < 0.35,
        cancel=_cancel(dice) if dice.random() < 0.3 else None,
        trouble=_on_one_intent(dice) if dice.random() < 0.15 else None,
    )


def _cancel(dice: random.Random) -> Cancel:
    """Before the payment, in the same moment, or after it."""
    after = dice.choice((0.0, 0.1, 0.5, 2.0, 5.0, 8.0))
    return Cancel(after, dice.choice(("student", "student", "tutor")), dice.choice((1, 1, 2, 3)), dice.random() < 0.5)


def _on_one_intent(dice: random.Random) -> Trouble:
    method, path = dice.choice(ON_ONE_INTENT)
    return Trouble(method, path, dice.choice(TROUBLES), dice.choice((1, 1, 2)), dice.randrange(300, 4000))


def _kills(seed: int, seconds: float) -> Iterator[Blow]:
    dice = _dice(seed, "kills")
    bag: list[str] = []
    for at in _times(dice, seconds, KILL_GAP):
        bag = bag or dice.sample(KILLS, len(KILLS))
        program = bag.pop()
        yield Kill(at, program, dice.random(), aimed=program == "payment" and dice.random() < 0.7)


def _database(seed: int, seconds: float) -> Iterator[Blow]:
    """Killed, or restarted as an administrator does (SIGINT: PostgreSQL's fast shutdown)."""
    dice = _dice(seed, "database")
    for at in _times(dice, seconds, DATABASE_GAP):
        yield Kill(at, "postgres", 0.0, dice.choice((signal.SIGKILL, signal.SIGINT)))


def _webhooks(seed: int, seconds: float) -> Iterator[Blow]:
    dice = _dice(seed, "webhooks")
    modes = ("normal", "normal", "duplicate", "duplicate", "reverse", "drop", "paused")
    for at in _times(dice, seconds, WEBHOOKS_GAP):
        yield Webhooks(at, dice.choice(modes), dice.choice((0, 0, 300, 2500)))


def _provider(seed: int, seconds: float) -> Iterator[Blow]:
    dice = _dice(seed, "provider")
    for at in _times(dice, seconds, PROVIDER_GAP):
        method, path = dice.choice((CREATE, CREATE, CREATE, REFUNDS, REFUNDS, *LISTS))
        kinds = (*TROUBLES, "refund_pending") if (method, path) == REFUNDS else TROUBLES
        trouble = Trouble(method, path, dice.choice(kinds), dice.choice((1, 2, 4)), dice.randrange(300, 4000))
        yield Provider(at, trouble)
