"""A hold is decided without locks, and inserted only if its calendars have not been claimed from meanwhile."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table calendar add column version bigint not null default 0")
