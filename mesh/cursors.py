"""Page tokens: opaque cursors that name the last row of a page, so that inserts repeat and skip no row (keyset paging)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from mesh.errors import BadInput

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page, for each the cursor behind it, and the token of the next page: empty on the last."""

    rows: Sequence[Row]
    cursors: list[str]
    next_page_token: str


def cut(found: Sequence[Row], size: int, cursor: Callable[[Row], str]) -> Page[Row]:
    """The first `size` rows as a page. `found` has one row more when there is a next page."""
    rows = found[:size]
    behind = [cursor(row) for row in rows]
    return Page(rows, behind, behind[-1] if len(found) > size else "")


def encode(at: datetime, row: UUID, order: str = "") -> str:
    """The cursor behind this row, in a list ordered by an instant and an id.

    A list that has several orders names the order in the cursors of each but its first.
    """
    return base64.urlsafe_b64encode(f"{_name(order)}{at.isoformat()}|{row}".encode()).decode().rstrip("=")


def decode(token: str, field: str = "page_token", order: str = "") -> tuple[datetime, UUID] | None:
    """The instant and id that a cursor of this order names; None for the empty token. Raises BadInput."""
    if not token:
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        if not raw.startswith(_name(order)):
            raise ValueError
        at, _, row = raw.removeprefix(_name(order)).partition("|")
        parsed = datetime.fromisoformat(at)
        if parsed.tzinfo is None or not 1970 <= parsed.year < 9000:  # PostgreSQL takes these at any offset
            raise ValueError
        return parsed, UUID(row)
    except (ValueError, binascii.Error):
        raise BadInput("not a token of this list", field=field) from None


def _name(order: str) -> str:
    return f"{order}|" if order else ""


def encode_id(row: UUID) -> str:
    """The cursor behind this row, in a list ordered by id."""
    return str(row)


def decode_id(token: str, field: str = "page_token") -> UUID | None:
    """The id that a cursor of such a list names; None for the empty token. Raises BadInput."""
    try:
        return UUID(token) if token else None
    except ValueError:
        raise BadInput("not a token of this list", field=field) from None
