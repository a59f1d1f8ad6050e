"""The pages are true: every test, file, constraint, alert and command that they name is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import click
import pytest

from ops.__main__ import main
from tests.house.conftest import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = {int(number): row for number, row in re.findall(r"(?m)^\| (\d+) \| (.+) \|$", PAGE)}
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
RUNBOOK = PAGES["operations.md"]
TABLES = (
    "availability booking claim course enrollment hold idempotency_key notification payment refund saga session"
    " stripe_event"
).split()


def test_it_tells_of_every_scenario() -> None:
    assert set(ROWS) == set(range(1, 63)) | {65, 66, 67, 68}


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


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_file_and_folder_it_names_exists(name: str) -> None:
    words = set(re.findall(r"`([^`\n]+)`", PAGES[name]))
    paths = {word for word in words if re.fullmatch(r"\w+/([\w/]+/)?([\w.]+\.(py|md|proto))?", word)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_files_are_named_at_all() -> None:
    assert len(re.findall(r"`[\w/]+/(?:[\w.]+\.py)?`", PAGE)) > 40


def test_every_constraint_it_names_is_in_a_schema() -> None:
    promises = PAGE.partition("\n## The invariants")[0]
    named = set(re.findall(rf"`((?:{'|'.join(TABLES)})_\w+)`", promises))
    schemas = "\n".join(path.read_text() for path in ROOT.glob("*_svc/migrations/versions/*.py"))
    assert {"claim_no_overlap", "saga_never_forgotten", "booking_legal_move"} <= named
    assert {name for name in named if not re.search(rf"\b{name}\b", schemas)} == set()


def commands_of(page: str) -> Iterator[str]:
    """What a page says to type: `tutormesh saga list --open`, without what follows on the line."""
    for line in re.findall(r"(?:`|\.venv/bin/)tutormesh ((?:saga |notifications )?[a-z]+\b[^`|\n)]*)", page):
        yield line.split("#")[0]


def test_every_command_they_name_is_one_with_these_options() -> None:
    said = [line for page in PAGES.values() for line in commands_of(page)]
    assert len(said) > 40
    for line in said:
        words = line.split()
        command: click.Command | None = main
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= known, line


def alerts() -> Iterator[str]:
    """The first word of every log line with `alert=True` in what runs in production."""
    for path in [
        path for folder in (*ROOT.glob("*_svc"), ROOT / "mesh", ROOT / "bff") for path in folder.rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(keyword.arg == "alert" for keyword in node.keywords):
                word = node.args[0]
                assert isinstance(word, ast.Constant), path
                yield str(word.value)


def test_the_table_of_alerts_has_every_alert_and_no_other() -> None:
    table = RUNBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", table)) == set(alerts())
