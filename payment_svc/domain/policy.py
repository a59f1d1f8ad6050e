"""The cancellation policies: how much of what was paid goes back. Hours are elapsed hours.

A lesson's counts the hours left before it: "24h:100,2h:50" gives 100 % from 24 hours on, 50 % from 2, else nothing.
An enrollment's counts the hours since it was paid: "336h:100" gives 100 % until 336 hours have passed, then nothing.
The text is frozen in the saga at purchase; a later change of the setting touches nothing that was bought before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from mesh.money import Money

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


def share_since(policy: str, since_paid: timedelta) -> Share:
    """The share that a student's cancel gives back this long after the enrollment was paid."""
    rules = sorted(_rule(text) for text in policy.split(","))
    for hours, percent in rules:
        if since_paid <= timedelta(hours=hours):
            return Share(percent, f"within {hours} h of the payment: {percent} %")
    return Share(0, f"more than {rules[-1][0]} h after the payment: 0 %")


def _rule(text: str) -> tuple[int, int]:
    hours, _, percent = text.partition("h:")
    return int(hours), int(percent)
