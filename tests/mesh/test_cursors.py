"""Pages: what a list answers, and where its next page begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh import cursors


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
