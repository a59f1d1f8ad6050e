"""A crash in the log is told, unless the mesh has a word for what happened."""

from __future__ import annotations

from devkit.chaos.crashes import unforeseen

CRASH = "07:04:56 payment.2    | 07:04:56.958 [error    ] drive_crashed    saga_id=1"
ENTRY = "07:04:57 payment.2    | 07:04:57.000 [info     ] rpc"
OTHER = "07:04:57 payment.1    | 07:04:57.000 [info     ] rpc"


def said(words: str) -> str:
    return f"07:04:56 payment.2    | {words}"


def test_an_error_that_nobody_foresaw_is_told_with_what_it_was():
    log = [CRASH, said("Traceback (most recent call last):"), OTHER, said("KeyError: 'price'"), ENTRY]
    (told,) = unforeseen(log)
    assert "drive_crashed" in told and told.endswith("KeyError: 'price'")


def test_it_is_told_also_at_the_end_of_the_log():
    assert len(unforeseen([CRASH, said("KeyError: 'price'")])) == 1


def test_a_database_that_is_away_is_no_surprise():
    assert unforeseen([CRASH, said("KeyError: 1"), said("mesh.errors.TryAgain: the database is away"), ENTRY]) == []
