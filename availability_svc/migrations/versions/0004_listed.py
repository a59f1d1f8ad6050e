"""An index to list the tutors whom pages may list: those who are listed and have published hours."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("create index schedule_listed on schedule (tutor_id) where listed and weekly <> '[]'")


def downgrade() -> None:
    op.execute("drop index schedule_listed")
