"""An index of the lessons that are still to take place, for whoever looks for those that are over."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("create index session_due on session (scheduled_at) where status = 'CONFIRMED'")


def downgrade() -> None:
    op.execute("drop index session_due")
