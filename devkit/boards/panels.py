"""What a board consists of. `grafana` writes it as Grafana reads it, and `drawing` draws it without Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mesh.currencies import CURRENCIES

#: How a number is shown. `short` has no unit.
Unit = Literal["short", "percentunit", "s", "reqps", "cpm", "bytes"]
#: The width of a board. A panel has a third of it, and one of a single number a sixth.
BOARD_WIDTH, PANEL_WIDTH, NUMBER_WIDTH = 24, 8, 4
#: The colours of lines that mean the same on every panel, by the label that names them.
COLORS = {
    "state": {
        "COMPLETED": "green",
        "REFUNDED": "blue",
        "CANCELLED": "purple",
        "REJECTED": "yellow",
        "EXPIRED": "orange",
        "PAYMENT_FAILED": "orange",
        "PARKED": "red",
    },
    "status": {"SUCCEEDED": "green", "PENDING": "blue", "FAILED": "orange", "GIVEN_UP": "red", "PARKED": "red"},
    "outcome": {"ok": "green", "refused": "yellow", "unknown": "red", "unreadable": "red", "failed": "red"},
}
#: Currencies by their decimal places; every other one has two.
_CURRENCIES = {2: ""} | {
    places: "|".join(sorted(code for code, one in CURRENCIES.items() if one.places == places)) for places in (0, 3)
}
#: The range of a rate: Grafana sets it by the time that the board shows.
RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and what its lines are called: `{{label}}` is the value of a label."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over time. `runbook` is the section of docs/operations.md that the panel links to."""

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    stacked: bool = False
    #: Each mark of the axis is ten times the one before: for amounts in several currencies.
    is_logarithmic: bool = False
    runbook: str = "alerts-of-prometheus"

    @property
    def width(self) -> int:
        return PANEL_WIDTH

    @property
    def colors(self) -> dict[str, str]:
        """The colours of lines by their names; the others have the usual ones."""
        return COLORS.get(self.queries[0].legend.strip("{}"), {})


@dataclass(frozen=True, slots=True)
class Number:
    """One number as it is now. It is red from `alarm` on."""

    title: str
    text: str
    query: Query
    unit: Unit = "short"
    alarm: float | None = None
    runbook: str = "alerts-of-prometheus"

    @property
    def queries(self) -> tuple[Query, ...]:
        return (self.query,)

    @property
    def width(self) -> int:
        return NUMBER_WIDTH


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other, below a heading."""

    title: str
    panels: tuple[Panel | Number, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A page of rows. `name` is that of its file, and a part of its uid."""

    name: str
    title: str
    text: str
    rows: tuple[Row, ...] = field(default=())

    def panels(self) -> Iterator[Panel | Number]:
        for row in self.rows:
            yield from row.panels


def rate(metric: str, by: str, selector: str = "") -> str:
    """How often a second, by these labels."""
    return (
        f"sum by ({by}) (rate({metric}{{{selector}}}{RATE}))" if selector else f"sum by ({by}) (rate({metric}{RATE}))"
    )


def per_minute(metric: str, by: str, selector: str = "") -> str:
    """How often a minute, by these labels."""
    return f"60 * {rate(metric, by, selector)}"


def quantile(share: float, histogram: str, by: str = "", selector: str = "") -> str:
    """The seconds that this share of the observations stayed below, by these labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, selector)})"


def total(gauge: str, by: str, selector: str = "") -> str:
    """The sum of what every replica of payment_svc reads alike: each label's value once."""
    return f"sum(max by ({by}) ({gauge}{{{selector}}}))" if selector else f"sum(max by ({by}) ({gauge}))"


def in_units(change: str, counter: str, time: str) -> str:
    """The change of a counter of minor units within this time, in units of each currency: dollars, yen, dinars."""
    parts = []
    for places, currencies in _CURRENCIES.items():
        chosen = (
            f'currency=~"{currencies}"' if currencies else f'currency!~"{"|".join(filter(None, _CURRENCIES.values()))}"'
        )
        divided = f" / {10**places}" if places else ""
        parts.append(f"sum by (currency) ({change}({counter}{{{chosen}}}{time})){divided}")
    return " or ".join(parts)


def add(*exprs: str) -> str:
    """The sum of numbers, each 0 where there is no series yet."""
    return " + ".join(f"(({expr}) or vector(0))" for expr in exprs)


ALERTS = Number(
    "Alerts",
    "Alerts that fire now. docs/operations.md says what each means, and what to do.",
    Query(add('count(ALERTS{alertstate="firing"})'), "alerts"),
    alarm=1,
)
