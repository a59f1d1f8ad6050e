"""The pictures are those of `make pictures` and `make boards`, shown in the docs, and small enough for a repository."""

from __future__ import annotations

import pytest

from devkit.boards import BOARDS
from tests.docs.pages import links
from tests.house.conftest import ROOT
from tests.pages.take_pictures import MOST_BYTES, PICTURES

TAKEN = sorted((ROOT / "docs" / "pictures").iterdir())


def test_each_picture_is_taken_by_the_command_and_shown_in_the_docs() -> None:
    shown = {
        link for page in ("docs/pages.md", "docs/operations.md") for link in links(page) if link.startswith("pictures/")
    }
    boards = {f"board-{board.name}.png" for board in BOARDS}
    assert {path.name for path in TAKEN} == {f"{picture.name}.png" for picture in PICTURES} | boards
    assert {f"pictures/{path.name}" for path in TAKEN} == shown


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: path.name)
def test_a_picture_is_small(path) -> None:
    assert path.stat().st_size <= MOST_BYTES
