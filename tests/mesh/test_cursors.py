"""Pages: what a list answers, and where its next page begins."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import cursors
from mesh.errors import BadInput

AT, ROW = datetime(2030, 1, 31, 9, tzinfo=UTC), UUID(int=7)


@pytest.mark.parametrize("order", ["", "START_ASC", "START_DESC"])
def test_a_cursor_is_good_for_its_own_order_alone(order: str) -> None:
    token = cursors.encode(AT, ROW, order)
    for other in {"", "START_ASC", "START_DESC"} - {order}:
        with pytest.raises(BadInput):
            cursors.decode(token, order=other)
    assert cursors.decode(token, order=order) == (AT, ROW)


@given(st.lists(st.integers(), max_size=12, unique=True), st.integers(1, 6))
def test_the_pages_of_a_list_hold_each_row_once_and_in_order(rows: list[int], size: int) -> None:
    read, begin, token = [], 0, None
    while token != "":
        page = cursors.cut(rows[begin : begin + size + 1], size, str)
        assert page.cursors == [str(row) for row in page.rows]
        read += page.rows
        begin, token = begin + size, page.next_page_token
        assert token in ("", page.cursors[-1] if page.cursors else "")
    assert read == rows
