"""A crash in the log is reported, unless it ended with an expected error."""

from __future__ import annotations

from devkit.chaos.checks.crashes import find_crashes

CRASH = "07:04:56 payment.2    | 07:04:56.958 [error    ] drive_crashed    saga_id=1"
ENTRY = "07:04:57 payment.2    | 07:04:57.000 [info     ] rpc"
OTHER = "07:04:57 payment.1    | 07:04:57.000 [info     ] rpc"


def line(words: str) -> str:
    return f"07:04:56 payment.2    | {words}"


def test_an_unexpected_error_is_reported_with_its_last_line():
    log = [CRASH, line("Traceback (most recent call last):"), OTHER, line("KeyError: 'price'"), ENTRY]
    (crash,) = find_crashes(log)
    assert "drive_crashed" in crash and crash.endswith("KeyError: 'price'")


def test_a_crash_at_the_end_of_the_log_is_reported_too():
    assert len(find_crashes([CRASH, line("KeyError: 'price'")])) == 1


def test_a_database_that_is_away_is_an_expected_error():
    assert find_crashes([CRASH, line("KeyError: 1"), line("mesh.errors.TryAgain: the database is away"), ENTRY]) == []
