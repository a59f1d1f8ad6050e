"""Bars, drawn by matplotlib as SVG. The same values give the same file: it has no date and no machine in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_COLORS = ("#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#64748b", "#ec4899", "#14b8a6", "#a16207", "#cbd5e1")


@dataclass(frozen=True)
class Plot:
    """For each group, such as a number of students, one value of each series. Stacked, or side by side."""

    title: str
    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]
    stacked: bool = False


def draw(plot: Plot, path: Path) -> None:
    """Write the plot as an SVG file."""
    os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / f"bench-matplotlib-{os.getuid()}"))
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        width = 0.8 if plot.stacked else 0.8 / len(plot.series)
        bottom = [0.0] * len(plot.groups)
        for number, (name, values) in enumerate(plot.series.items()):
            places = [
                place if plot.stacked else place - 0.4 + width * (number + 0.5) for place in range(len(plot.groups))
            ]
            bars = axes.bar(places, values, width, bottom, label=name, color=_COLORS[number % len(_COLORS)])
            if plot.stacked:
                bottom = [low + value for low, value in zip(bottom, values, strict=True)]
            else:
                # Upright, so that the labels of narrow bars stand apart.
                axes.bar_label(bars, fmt="{:.3g}", fontsize=7, padding=2, rotation=90 if len(plot.series) > 3 else 0)
        axes.set_xticks(range(len(plot.groups)), plot.groups)
        axes.set_ylabel(plot.unit)
        axes.set_title(plot.title)
        axes.margins(y=0.15)  # for the labels
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False, fontsize=8, reverse=plot.stacked)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
