"""Payments through engines that call back: what they are to collect and to give back, and what they have reported."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callback_payment",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("saga_id", sa.UUID(), sa.ForeignKey("saga.id"), nullable=False, unique=True),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint("starts_with(id, 'cb_')", name="callback_payment_named"),
        sa.CheckConstraint("amount_minor > 0", name="callback_payment_amount"),
        sa.CheckConstraint(
            "status in ('requires_payment', 'succeeded', 'canceled')", name="callback_payment_status_known"
        ),
        sa.CheckConstraint(
            "(status = 'succeeded') = (reference is not null)", name="callback_payment_paid_by_a_reference"
        ),
    )
    op.create_index(
        "callback_payment_lately",
        "callback_payment",
        ["updated_at"],
        postgresql_where=sa.text("status = 'succeeded'"),
    )
    op.create_table(
        "callback_attempt",
        sa.Column("callback_payment_id", sa.Text(), sa.ForeignKey("callback_payment.id"), primary_key=True),
        sa.Column("reference", sa.Text(), primary_key=True),
        _instant("at"),
    )
    op.create_table(
        "callback_refund",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("callback_payment_id", sa.Text(), sa.ForeignKey("callback_payment.id"), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        *_times(),
        sa.CheckConstraint("amount_minor > 0", name="callback_refund_amount"),
        sa.CheckConstraint("status in ('pending', 'succeeded')", name="callback_refund_status_known"),
        sa.CheckConstraint(
            "(status = 'succeeded') = (reference is not null)", name="callback_refund_told_by_a_reference"
        ),
    )
    op.create_index("callback_refund_payment", "callback_refund", ["callback_payment_id"])


def _times() -> tuple[sa.Column[datetime], ...]:
    return _instant("created_at"), _instant("updated_at")


def _instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)
