"""A person's bookings in the order of their lessons."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for role in ("student", "tutor"):
        op.execute(f"create index booking_of_{role}_by_start on booking ({role}_id, start_at, id)")


def downgrade() -> None:
    for role in ("student", "tutor"):
        op.execute(f"drop index booking_of_{role}_by_start")
