"""docs/reliability.md keeps its word: every test, file, constraint and command that it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache

import click
import pytest

from ops.__main__ import main
from tests.house.conftest import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = {int(number): row for number, row in re.findall(r"(?m)^\| (\d+) \| (.+) \|$", PAGE)}
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CODE = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
TABLES = (
    "availability booking claim course enrollment hold idempotency_key notification payment refund saga session"
    " stripe_event"
).split()


def test_it_tells_of_every_scenario() -> None:
    assert set(ROWS) == set(range(1, 51))


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("number", sorted(ROWS))
def test_every_scenario_has_a_test_that_carries_its_number(number: int) -> None:
    names = re.findall(r"::test_((?:\d\d_)+)", ROWS[number])
    assert any(f"{number:02}" in name.split("_") for name in names)


@pytest.mark.parametrize(("path", "name"), TESTS, ids=["::".join(test) for test in TESTS])
def test_every_test_it_names_exists(path: str, name: str) -> None:
    assert name in functions_of(path)


def test_every_file_it_names_exists() -> None:
    paths = {word for word in CODE if re.fullmatch(r"[\w./]+/([\w.]+\.py)?", word)}
    assert len(paths) > 20
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_every_constraint_it_names_is_in_a_schema() -> None:
    promises = PAGE.partition("\n## The invariants")[0]
    named = set(re.findall(rf"`((?:{'|'.join(TABLES)})_\w+)`", promises))
    schemas = "\n".join(path.read_text() for path in ROOT.glob("*_svc/migrations/versions/*.py"))
    assert {"claim_no_overlap", "saga_never_forgotten", "booking_legal_move"} <= named
    assert {name for name in named if not re.search(rf"\b{name}\b", schemas)} == set()


def test_every_command_it_names_is_one_with_these_options() -> None:
    said = re.findall(r"(?<=\btutormesh )(?:saga |notifications )?[a-z]+\b[^`|\n]*", PAGE)
    assert len(said) > 20
    for line in said:
        words = line.split("#")[0].split()
        command: click.Command | None = main
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= known, line


def test_every_link_within_the_page_leads_somewhere() -> None:
    titles = re.findall(r"(?m)^#+ (.+)$", PAGE)
    places = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - places == set()
