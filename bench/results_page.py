"""A page of bench/results/: what was measured, on which machine, by which command; its tables and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.mesh import ROOT
from bench.plots import Plot, draw

FOLDER = ROOT / "bench" / "results"


@dataclass
class Page:
    """`sections` are Markdown; `plots` are drawn beside the page, as NAME-1.svg and so on."""

    name: str
    title: str
    command: str
    machine: str
    sections: list[str] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole page, as Markdown."""
        pictures = "\n".join(f"![{plot.title}]({self._picture(number)})" for number, plot in enumerate(self.plots, 1))
        parts = (f"# {self.title}", f"Made by `{self.command}`. {self.machine}", pictures, *self.sections)
        return "\n\n".join(filter(None, parts)) + "\n"

    def write(self, folder: Path = FOLDER) -> None:
        """Write the page and its pictures into this folder."""
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.text)
        for number, plot in enumerate(self.plots, 1):
            draw(plot, folder / self._picture(number))

    def _picture(self, number: int) -> str:
        return f"{self.name}-{number}.svg"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, whose first column is text and whose others are numbers."""
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
