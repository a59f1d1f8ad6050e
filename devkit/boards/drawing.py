"""Draws boards from a Prometheus, without Grafana: the same panels, queries and units. Needs matplotlib.

python -m devkit.boards.drawing http://127.0.0.1:9090 docs/pictures [MINUTES]
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from devkit.boards import BOARDS
from devkit.boards.panels import BOARD_WIDTH, Board, Number, Panel, Query, Row, Unit

_RANGE, _STEP_SECONDS = "1m", 5
_COLORS = ("#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#64748b", "#ec4899", "#14b8a6", "#a16207", "#94a3b8")
_GOOD, _BAD, _PLAIN, _INK, _FAINT = "#dcfce7", "#fecaca", "#e0e7ff", "#1f2937", "#6b7280"
#: Those that mean something, by their names in Grafana; and those of the lines beside them.
_FIXED = {
    "green": "#10b981",
    "blue": "#2563eb",
    "purple": "#8b5cf6",
    "yellow": "#fde047",
    "orange": "#f59e0b",
    "red": "#dc2626",
}
_BESIDE = ("#38bdf8", "#1e3a8a", "#ec4899", "#64748b", "#a16207")
#: How thick a colour of a picture is: at the edge of a line, of an area, and of a line.
_SHARES = (0.25, 0.5, 0.75, 1)
#: Of the board's title; a line of panels has 1.5.
_TITLE_HEIGHT = 0.2
#: The most lines that a legend names.
_NAMED = 8
Samples = list[tuple[float, float]]


class Prometheus:
    """What the queries of a board answer for the minutes before now."""

    def __init__(self, url: str, minutes: float) -> None:
        self._http, self.end = httpx.Client(base_url=url, timeout=30), time.time()
        self.begin = self.end - 60 * minutes

    def lines(self, query: Query) -> dict[str, Samples]:
        """The samples of each line, as (Unix time, value), by its name in the legend."""
        asked = {"query": _expression(query), "start": self.begin, "end": self.end, "step": _STEP_SECONDS}
        found = self._ask("query_range", asked)
        return {_name(query, one["metric"]): _samples(one["values"]) for one in found}

    def number(self, query: Query) -> float | None:
        """The value now; None when there is none."""
        found = self._ask("query", {"query": _expression(query), "time": self.end})
        samples = _samples([found[0]["value"]]) if found else []
        return samples[0][1] if samples else None

    def _ask(self, what: str, asked: Mapping[str, Any]) -> list[Any]:
        answer = self._http.get(f"/api/v1/{what}", params=dict(asked)).raise_for_status()
        return list(answer.json()["data"]["result"])


def _expression(query: Query) -> str:
    return query.expr.replace("$__rate_interval", _RANGE)


def _name(query: Query, labels: Mapping[str, str]) -> str:
    name = query.legend
    for label, value in labels.items():
        name = name.replace(f"{{{{{label}}}}}", value)
    return name


def _samples(values: list[tuple[float, str]]) -> Samples:
    return [(float(at), float(value)) for at, value in values if value != "NaN"]


def with_gaps(samples: Samples) -> Samples:
    """The samples, with a NaN wherever there was none for a while: a line is not drawn over it."""
    found: Samples = []
    for at, value in samples:
        if found and at - found[-1][0] > 1.5 * _STEP_SECONDS:
            found.append((found[-1][0] + _STEP_SECONDS, math.nan))
        found.append((at, value))
    return found


def show(value: float, unit: Unit) -> str:
    """A number with its unit, as a person reads it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        if abs(value) < 1:
            return f"{1000 * value:.3g} ms"
        return f"{value:.3g} s" if abs(value) < 120 else f"{value / 60:.3g} min"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text + {"reqps": "/s", "cpm": "/min"}.get(unit, "")


def draw(board: Board, prometheus: Prometheus, path: Path) -> None:
    """Write a picture of the board, with what the queries answer now."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from PIL import Image

    lines = [line for row in board.rows for line in _lines_of(row)]
    heights = [_TITLE_HEIGHT, *(0.55 if _are_numbers(line) else 1.5 for _, line in lines)]
    layout = ConstrainedLayoutEngine(rect=(0.008, 0, 0.984, 1))  # marks of the axes reach a little beyond their place
    figure = Figure(figsize=(15, 1.9 * sum(heights) + 0.8), layout=layout, facecolor="white")
    title, *parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    title.text(0.01, 0.5, f"{board.title} — {board.text}", va="center", fontsize=14, fontweight="bold", color=_INK)
    title.text(0.99, 0.5, "drawn by `make boards`, not by Grafana", ha="right", va="center", fontsize=8, color=_FAINT)
    for part, (heading, panels) in zip(parts, lines, strict=True):
        if heading:
            part.suptitle(heading, x=0.01, ha="left", fontsize=11, color=_FAINT)
        columns = BOARD_WIDTH // panels[0].width
        places = part.subplots(1, columns, squeeze=False)[0]
        for axes in places[len(panels) :]:
            axes.set_axis_off()
        for axes, panel in zip(places, panels, strict=False):
            _draw_number(axes, panel, prometheus) if isinstance(panel, Number) else _draw_lines(axes, panel, prometheus)
    figure.savefig(path, dpi=80)
    with Image.open(path) as picture:  # the pictures are kept in the repository
        small = picture.convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _palette() -> Any:
    """A picture with our colours, and with each of them thinner, as at the edge of a line."""
    from PIL import Image

    full = [*_COLORS, *_FIXED.values(), *_BESIDE, _INK, _FAINT]
    thin = [tuple(round(255 - (255 - part) * share) for part in _rgb(color)) for color in full for share in _SHARES]
    parts = [part for color in (*map(_rgb, (_GOOD, _BAD, _PLAIN, "#ffffff")), *thin) for part in color]
    palette = Image.new("P", (1, 1))
    palette.putpalette(parts)
    return palette


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


def _lines_of(row: Row) -> list[tuple[str, tuple[Panel | Number, ...]]]:
    """The panels that stand beside each other; the first line has the row's heading."""
    fit = BOARD_WIDTH // row.panels[0].width
    return [
        (row.title if first == 0 else "", row.panels[first : first + fit]) for first in range(0, len(row.panels), fit)
    ]


def _are_numbers(panels: tuple[Panel | Number, ...]) -> bool:
    return isinstance(panels[0], Number)


def _draw_number(axes: Any, number: Number, prometheus: Prometheus) -> None:
    value = prometheus.number(number.query)
    is_bad = value is not None and number.alarm is not None and value >= number.alarm
    axes.set_facecolor(_PLAIN if number.alarm is None else _BAD if is_bad else _GOOD)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(number.title, fontsize=9, color=_INK)
    text = "no data" if value is None else f"{value:,.0f}" if number.unit == "short" else show(value, number.unit)
    axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=18, color=_INK, transform=axes.transAxes)


def _draw_lines(axes: Any, panel: Panel, prometheus: Prometheus) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, NullLocator

    found = {name: samples for query in panel.queries for name, samples in prometheus.lines(query).items() if samples}
    order = sorted(found, key=lambda name: -max(value for _, value in found[name]))
    if panel.stacked:
        _draw_stack(axes, {name: found[name] for name in order}, [color for _, color in _colored(order, panel)])
    else:
        for name, color in _colored(order, panel):
            drawn = with_gaps(found[name])
            axes.plot([at for at, _ in drawn], [value for _, value in drawn], color=color, label=name)
    axes.set_title(panel.title, fontsize=10, loc="left", color=_INK)
    axes.set_xlim(prometheus.begin, prometheus.end)
    axes.xaxis.set_major_locator(MultipleLocator(tick_seconds(prometheus.end - prometheus.begin)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: time.strftime("%H:%M", time.gmtime(at))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value, panel.unit)))
    if panel.is_logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value, panel.unit)))
    elif panel.unit == "short":
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=_are_whole(found)))
    axes.tick_params(labelsize=7, colors=_FAINT)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if not found:
        axes.text(0.5, 0.5, "nothing to show", ha="center", color=_FAINT, transform=axes.transAxes)
        axes.set_yticks([])
        return
    if not panel.is_logarithmic and min(value for samples in found.values() for _, value in samples) >= 0:
        axes.set_ylim(bottom=0)
    handles, names = axes.get_legend_handles_labels()
    more = len(names) - _NAMED
    if more > 0:
        names[_NAMED - 1] = f"and {more + 1} more"
    axes.legend(
        handles[:_NAMED],
        names[:_NAMED],
        fontsize=6.5,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.1),
        ncols=2,
    )


def tick_seconds(seconds: float) -> int:
    """The distance of the marks on the axis of time: whole minutes, and about six of them."""
    return next((step for step in (60, 120, 300, 600, 1800, 3600) if seconds / step <= 8), 7200)


def _are_whole(found: Mapping[str, Samples]) -> bool:
    return all(value.is_integer() for samples in found.values() for _, value in samples)


def _colored(names: list[str], panel: Panel) -> Iterator[tuple[str, str]]:
    """Each name with its colour: that of its meaning, or the next one that means nothing."""
    others = itertools.cycle(_BESIDE if panel.colors else _COLORS)
    for name in names:
        yield name, _FIXED[panel.colors[name]] if name in panel.colors else next(others)


def _draw_stack(axes: Any, found: Mapping[str, Samples], colors: list[str]) -> None:
    times = sorted({at for samples in found.values() for at, _ in samples})
    values = [[dict(samples).get(at, 0.0) for at in times] for samples in found.values()]
    if times:
        axes.stackplot(times, values, labels=list(found), colors=colors, alpha=0.75)


def main(url: str, folder: str, minutes: str = "15") -> None:
    for board in BOARDS:
        draw(board, Prometheus(url, float(minutes)), Path(folder) / f"board-{board.name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
