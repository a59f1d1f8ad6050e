"""How much of a calendar people may take without paying. Plain: no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from availability_svc.domain import TooManyHolds

#: Holds that ended unpaid within this time are counted together.
LAPSES_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the student and the tutor of an order have that nobody has paid for, before the order.

    `minutes` are the lengths of the student's unpaid holds and of their free lessons still to come, `minutes_here` those
    with this tutor. `minutes_of_tutor` are the lengths of all unpaid holds of the tutor's time.
    """

    holds: int = 0
    minutes: int = 0
    minutes_here: int = 0
    minutes_of_tutor: int = 0
    has_paid: bool = False  # the student has paid for a lesson, with any tutor, and has not given it back
    is_paused: bool = False  # too many holds of the student ended unpaid a moment ago


NOTHING_UNPAID = Standing()


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may stand unpaid, and the most blocks of a tutor."""

    holds: int
    minutes: int
    minutes_with_one_tutor: int
    minutes_of_a_tutor: int
    lapses: int
    pause: timedelta
    blocks: int

    def must_allow(self, standing: Standing, minutes: int) -> None:
        """Raises TooManyHolds when the student may not hold a lesson of so many minutes now.

        A student who has nothing unpaid, with anybody, may hold one lesson of any length that the tutor offers.
        """
        if standing.is_paused:
            raise TooManyHolds("Too many of your reservations ended unpaid. Try again in a few minutes.")
        if standing.holds >= self.holds:
            raise TooManyHolds
        if standing.minutes and standing.minutes + minutes > self.minutes:
            raise TooManyHolds
        if standing.minutes and standing.minutes_here + minutes > self.minutes_with_one_tutor:
            raise TooManyHolds
        of_tutor = standing.minutes_of_tutor
        if of_tutor and of_tutor + minutes > self.minutes_of_a_tutor and not standing.has_paid:
            raise TooManyHolds("Much of this tutor's time is reserved and unpaid. Try again later.")


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a hold lasts, how long it still stands after its end, and what may stand unpaid."""

    hold: timedelta
    grace: timedelta
    limits: Limits
