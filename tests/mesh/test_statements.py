"""Statements name their values; asyncpg numbers them."""

from __future__ import annotations

import pytest

from mesh.statements import Statement, text


@pytest.mark.parametrize(
    ("written", "sql", "names"),
    [
        ("select :a + :b", "select $1 + $2", "a b"),
        ("select :b, :a, :b", "select $1, $2, $1", "b a"),
        ("select :a::int, now()::date", "select $1::int, now()::date", "a"),
        ("select '12:30', x[1:2], :a_1", "select '12:30', x[1:2], $1", "a_1"),
        (r"select '\:a', x[i\:]", "select ':a', x[i:]", ""),
    ],
)
def test_each_name_is_one_number_and_other_colons_stay(written: str, sql: str, names: str) -> None:
    assert text(written) == Statement(sql, tuple(names.split()))
