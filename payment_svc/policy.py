"""The cancellation policy: how much of what was paid goes back, by the hours left before the lesson.

Written as "24h:100,2h:50": 24 elapsed hours or more before the start give 100 %, 2 or more 50 %, fewer nothing. The
text is frozen in the saga at purchase; a later change of the setting touches no booking that was made before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from mesh.money import Money

EVERYTHING = "cancelled by the tutor or the platform: 100 %"
NOTHING_PAID = "nothing has been paid"


@dataclass(frozen=True, slots=True)
class Share:
    """How much goes back, and the rule that says so in words."""

    percent: int
    rule: str

    def of(self, paid: Money) -> Money:
        """This share of an amount, in whole minor units, rounded half-even."""
        exact = Decimal(paid.amount_minor) * self.percent / 100
        return Money(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)), paid.currency)


def share(policy: str, before_start: timedelta) -> Share:
    """The share that a student's cancel gives back this long before the lesson."""
    rules = sorted((_rule(text) for text in policy.split(",")), reverse=True)
    for hours, percent in rules:
        if before_start >= timedelta(hours=hours):
            return Share(percent, f"{hours} h or more before the lesson: {percent} %")
    return Share(0, f"less than {rules[-1][0]} h before the lesson: 0 %")


def _rule(text: str) -> tuple[int, int]:
    hours, _, percent = text.partition("h:")
    return int(hours), int(percent)
