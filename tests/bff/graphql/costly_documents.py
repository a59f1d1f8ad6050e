"""Documents that try to be costly: random ones, and changes that make one costlier."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field

#: Larger documents are costly by their length alone, which test_costliest_document.py tries by itself.
MAX_CHARACTERS = 16_000
NAMES = ["id", "status", "booking", "session", "payment", "price", "timeline", "tutorAvailability", "__typename"]
NAMES += ["__schema", "types", "fields", "getMyBookings", "nodes", "bookin", "sesion", "course", "publishAvailability"]
TYPES = ["Booking", "Session", "Query", "Mutation", "__Schema", "__Type", "Slot", "Bookin", "Payment"]
VALUES = ['"1"', "$a", "1", "MONDAY", "{id: $a}", "[$a $a]", "{weekday: MONDAY, start: $a}", "[[1]]", "null"]
DIRECTIVES = ["@include(if: true)", "@skip(if: $b)", "@nothing", "@defer", ""]


@dataclass
class Part:
    """A field, a spread or an inline fragment: text, with selections below it."""

    head: str
    below: list[Part] = field(default_factory=list)

    def text(self) -> str:
        return f"{self.head} {{{' '.join(part.text() for part in self.below)}}}" if self.below else self.head


@dataclass
class Document:
    """Definitions, and characters that are no tokens."""

    definitions: list[Part]
    filler: str = ""

    def text(self) -> str:
        return " ".join(part.text() for part in self.definitions) + self.filler

    def lists(self) -> list[list[Part]]:
        """Every list of selections."""
        found, waiting = [], [part.below for part in self.definitions]
        while waiting:
            parts = waiting.pop()
            found.append(parts)
            waiting += [part.below for part in parts if part.below]
        return found


#: From these the search begins. The first one took the edge down.
BEGINNINGS = [
    Document([Part("", [Part("__typename")]), Part("fragment F0 on Booking", [Part("session", [Part("id")])])]),
    Document([Part("query q($a: ID!)", [Part("...F0")]), Part("fragment F0 on Query", [Part("booking(id: $a)")])]),
    Document([Part("", [Part('booking(id: "1")', [Part("id")])])]),
    Document([Part("", [Part("__schema", [Part("types", [Part("name")])])])]),
]


def random_part(source: random.Random, depth: int = 0) -> Part:
    kind = source.random()
    if kind < 0.2:
        return Part(f"...F{source.randrange(4)}")
    below = [random_part(source, depth + 1) for _ in range(source.randrange(3))] if depth < 4 else []
    if kind < 0.35:
        return Part(f"... on {source.choice(TYPES)} {source.choice(DIRECTIVES)}", below or [Part("id")])
    alias = source.choice(["", "", "", "a: ", f"a{source.randrange(9)}: "])
    values = " ".join(source.choice(VALUES) for _ in range(source.choice([0, 1, 1, 40])))
    arguments = f"(id: [{values}])" if values else ""
    return Part(f"{alias}{source.choice(NAMES)}{arguments} {source.choice(DIRECTIVES)}", below)


def repeat(source: random.Random, document: Document) -> None:
    """One selection many times."""
    parts = source.choice(document.lists())
    if parts:
        parts += [copy.deepcopy(source.choice(parts))] * source.choice([2, 5, 20, 100, 500])


def add(source: random.Random, document: Document) -> None:
    source.choice(document.lists()).append(random_part(source))


def vary(source: random.Random, document: Document) -> None:
    """Many selections with a name of their own."""
    count, name = source.choice([10, 100, 400]), source.choice(NAMES)
    source.choice(document.lists()).extend(Part(f"{name}{number}") for number in range(count))


def nest(source: random.Random, document: Document) -> None:
    parts = source.choice(document.lists())
    parts[:] = [Part(source.choice(["session", "booking", "... on Booking", "x"]), list(parts))]


def spread(source: random.Random, document: Document) -> None:
    """One more fragment that repeats another one."""
    number = len(document.definitions)
    below = [Part(f"...F{source.randrange(number + 2)}") for _ in range(source.choice([1, 2, 30]))]
    document.definitions.append(Part(f"fragment F{number} on {source.choice(TYPES)}", below))


def operate(source: random.Random, document: Document) -> None:
    """More operations with the same selections."""
    model = source.choice(document.definitions)
    for _ in range(source.choice([1, 10, 60])):
        number = len(document.definitions)
        document.definitions.append(Part(f"query q{number}($a: ID!, $b: Bool)", copy.deepcopy(model.below)))


def remove(source: random.Random, document: Document) -> None:
    parts = source.choice(document.lists())
    if len(parts) > 1:
        del parts[source.randrange(len(parts))]


def fill(source: random.Random, document: Document) -> None:
    document.filler = source.choice([",", " ", "\n", "#x", "\ufeff"]) * source.choice([100, 5000])


CHANGES: list[Callable[[random.Random, Document], None]] = [
    repeat,
    repeat,
    add,
    vary,
    nest,
    spread,
    operate,
    remove,
    fill,
]


def search(cost: Callable[[str], float], *, seed: int, steps: int) -> tuple[float, str]:
    """The costliest document that so many steps find, and its cost. Each step changes one of the costliest so far."""
    source = random.Random(seed)
    best = [(cost(document.text()), number, document) for number, document in enumerate(BEGINNINGS)]
    for step in range(steps):
        document = copy.deepcopy(source.choice(best)[2])
        for _ in range(source.choice([1, 1, 2, 3])):
            source.choice(CHANGES)(source, document)
        if len(text := document.text()) <= MAX_CHARACTERS:
            best.append((cost(text), len(BEGINNINGS) + step, document))
            best = sorted(best, key=lambda one: (-one[0], one[1]))[:6]
    return best[0][0], best[0][2].text()
