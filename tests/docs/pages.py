"""The pages that people read, as the tests of this folder see them: blocks of code, links, and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: README.md and every page of docs/.
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*?) -->\s*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `not_run` is the reason that stands above a block of commands that no test may run."""

    language: str
    code: str
    not_run: str


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a page, from top to bottom."""
    text, found = read(name), []
    for fence in _FENCE.finditer(text):
        mark = _NOT_RUN.search(text, 0, fence.start())
        found.append(Block(fence["language"], fence["code"], mark["reason"] if mark else ""))
    return found


def prose(name: str) -> str:
    """A page without its code blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", read(name)))


def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives the titles of a page."""
    titles = re.findall(r"(?m)^#+ (.+)$", prose(name))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def links(name: str) -> list[str]:
    """The targets of a page's links, images included."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(name))


def sentences(name: str) -> Iterator[str]:
    """Every sentence of a page: of its paragraphs, its lists, and the cells of its tables."""
    paragraph: list[str] = []
    for line in [*prose(name).splitlines(), ""]:
        words = line.strip()
        if words.startswith("|"):
            yield from _of_paragraph(paragraph)
            paragraph = []
            for cell in re.split(r"(?<!\\)\||<br>", words):
                yield from _split(cell)
        elif not words or words.startswith("#"):
            yield from _of_paragraph(paragraph)
            paragraph = []
        elif re.match(r"([-*]|\d+\.) ", words):
            yield from _of_paragraph(paragraph)
            paragraph = [re.sub(r"^([-*]|\d+\.) ", "", words)]
        else:
            paragraph.append(words)


def _of_paragraph(lines: list[str]) -> Iterator[str]:
    yield from _split(" ".join(lines))


def _split(text: str) -> Iterator[str]:
    """The sentences of a text. Code is one word, a link its words, and an abbreviation ends no sentence."""
    text = re.sub(r"`[^`]+`", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("**", "")
    for sentence in re.split(r"(?<=[.!?])[)\"”]?\s+(?=[\w(\"“])", text):
        if sentence.strip():
            yield sentence.strip()


def words_of(sentence: str) -> list[str]:
    """The words of a sentence. A list of names in code (`A`, `B` and `C`) counts as one."""
    joined = re.sub(r"\bCODE\b(?:(?:,| and| or| ·|, and|, or|/)? \(?CODE\b\)?)+", "CODE", sentence)
    return [word for word in joined.split() if re.search(r"\w", word)]
