"""A student can have the provider asked about a booking, once in a while."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table saga add column looked_at timestamptz")


def downgrade() -> None:
    op.execute("alter table saga drop column looked_at")
