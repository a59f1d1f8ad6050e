"""Numbers of a board as a person reads them, and lines that are not drawn over a time without samples."""

from __future__ import annotations

import math

import pytest

from devkit.boards.drawing import show, tick_seconds, with_gaps


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


def test_a_line_breaks_where_there_was_no_sample():
    drawn = with_gaps([(0.0, 1.0), (5.0, 2.0), (30.0, 3.0)])
    assert [at for at, _ in drawn] == [0.0, 5.0, 10.0, 30.0]
    assert [math.isnan(value) for _, value in drawn] == [False, False, True, False]


@pytest.mark.parametrize(("minutes", "seconds"), [(5, 60), (15, 120), (60, 600), (24 * 60, 7200)])
def test_the_axis_of_time_is_marked_at_whole_minutes(minutes, seconds):
    assert tick_seconds(60 * minutes) == seconds
