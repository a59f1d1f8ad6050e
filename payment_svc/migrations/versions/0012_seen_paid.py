"""What the provider said is remembered, also while the saga has not heard it."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table saga add column seen_paid boolean")


def downgrade() -> None:
    op.execute("alter table saga drop column seen_paid")
