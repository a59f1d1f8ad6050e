"""Numbers of a board as a person reads them."""

from __future__ import annotations

import pytest

from devkit.boards.drawing import show


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.927, "percentunit", "92.7 %"),
        (0.0051, "s", "5.1 ms"),
        (4.95, "s", "4.95 s"),
        (600, "s", "10 min"),
        (3 * 2**20, "bytes", "3 MiB"),
        (2.5, "reqps", "2.5/s"),
        (90, "cpm", "90/min"),
        (400_000, "short", "400,000"),
        (14.5, "short", "14.5"),
    ],
)
def test_a_number_has_its_unit(value, unit, text):
    assert show(value, unit) == text
