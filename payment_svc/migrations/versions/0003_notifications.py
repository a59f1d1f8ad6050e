"""What people are told: messages on their way."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CLOCK = sa.text("clock_timestamp()")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_since", INSTANT, nullable=True),
        sa.Column("wake_at", INSTANT, server_default=CLOCK, nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", INSTANT, server_default=CLOCK, nullable=False),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.CheckConstraint("status in ('PENDING', 'DELIVERED', 'DEAD')", name="notification_status_known"),
        sa.CheckConstraint("audience in ('everybody', 'student', 'tutor')", name="notification_audience_known"),
        sa.CheckConstraint("(status = 'PENDING') = (wake_at is not null)", name="notification_never_forgotten"),
        sa.CheckConstraint("(status = 'PENDING') = (settled_at is null)", name="notification_settled_when_done"),
        sa.CheckConstraint("status <> 'DEAD' or error <> ''", name="notification_dead_with_a_reason"),
        sa.PrimaryKeyConstraint("id", "channel", "audience"),
        sa.UniqueConstraint("seq"),
    )
    pending, settled = sa.text("wake_at is not null"), sa.text("settled_at is not null")
    op.create_index("notification_due", "notification", ["channel", "wake_at"], postgresql_where=pending)
    op.create_index("notification_order", "notification", ["subject_id", "channel", "audience", "seq"])
    op.create_index("notification_dead", "notification", ["seq"], postgresql_where=sa.text("status = 'DEAD'"))
    op.create_index("notification_settled", "notification", ["settled_at"], postgresql_where=settled)


def downgrade() -> None:
    op.drop_table("notification")
