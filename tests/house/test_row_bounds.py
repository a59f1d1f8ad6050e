"""docs/reliability.md says for every table how many rows of it one person can make."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.house.conftest import ROOT

SERVICES = sorted(path.parent.name for path in ROOT.glob("*_svc/tables.py"))


@pytest.fixture(scope="module")
def bounded() -> list[str]:
    page = (ROOT / "docs" / "reliability.md").read_text()
    section = page.split("### Rows that people make", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_every_table_is_bounded_once_and_no_other(bounded: list[str]):
    tables = [name for service in SERVICES for name in importlib.import_module(f"{service}.tables").metadata.tables]
    assert len(SERVICES) == 5
    assert sorted(bounded) == sorted(set(tables))
