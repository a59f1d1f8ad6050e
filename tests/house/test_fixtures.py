"""Fixtures end when their scope says so."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_a_fixture_of_a_folder_ends_with_the_folder():
    """pytest knows a folder as a package by its `__init__.py`. Without one, the fixture lives until the session ends."""
    files = [file for file in TESTS.rglob("*.py") if re.search(r'scope="package"', file.read_text())]
    of_folders = {file.parent for file in files if file != Path(__file__)}
    assert of_folders
    assert [folder.name for folder in sorted(of_folders) if not (folder / "__init__.py").exists()] == []
