"""The first schema: sagas and their events, payments, refunds, Stripe's events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saga",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("context", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("news", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("student_id", sa.UUID(), nullable=False),
        sa.Column("tutor_id", sa.UUID(), nullable=False),
        sa.Column("time_slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("hold_ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "state_since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "case when is_complete then wake_at is null when state = 'PARKED' then wake_at is null and error is not null else wake_at is not null end",
            name="saga_never_forgotten",
        ),
        sa.CheckConstraint(
            "is_complete = (state in ('COMPLETED', 'REJECTED', 'PAYMENT_FAILED', 'EXPIRED', 'CANCELLED', 'REFUNDED'))",
            name="saga_complete_in_end_states",
        ),
        sa.CheckConstraint(
            "state <> 'AWAITING_PAYMENT' or (payment_intent_id is not null and hold_ends is not null)",
            name="saga_awaits_an_intent",
        ),
        sa.CheckConstraint(
            "state in ('AWAITING_AVAILABILITY', 'AWAITING_PAYMENT', 'BOOKING_SESSION', 'COMPENSATING', 'PARKED', 'COMPLETED', 'REJECTED', 'PAYMENT_FAILED', 'EXPIRED', 'CANCELLED', 'REFUNDED')",
            name="saga_state_known",
        ),
        sa.CheckConstraint("(lease_owner is null) = (lease_until is null)", name="saga_lease_whole"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "saga_open_newest",
        "saga",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("not is_complete"),
    )
    op.create_index(
        "saga_waiting", "saga", ["id"], unique=False, postgresql_where=sa.text("state = 'AWAITING_PAYMENT'")
    )
    op.create_index(
        "saga_one_cancel",
        "saga",
        ["booking_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'CancelBookingSaga' and state <> 'REJECTED'"),
    )
    op.create_index("saga_booking", "saga", ["booking_id"], unique=False)
    op.create_index("saga_due", "saga", ["wake_at"], unique=False, postgresql_where=sa.text("wake_at is not null"))
    op.create_index(
        "saga_intent",
        "saga",
        ["payment_intent_id"],
        unique=True,
        postgresql_where=sa.text("payment_intent_id is not null"),
    )
    op.create_index("saga_newest", "saga", ["created_at", "id"], unique=False)
    op.create_index(
        "saga_open_slot",
        "saga",
        ["student_id", "tutor_id", "time_slot"],
        unique=True,
        postgresql_where=sa.text("not is_complete and kind = 'BookAndPayForSessionSaga'"),
    )
    op.create_table(
        "stripe_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("saga_id", sa.UUID(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'DONE') = (processed_at is not null)", name="stripe_event_processed_when_done"),
        sa.CheckConstraint("(status = 'INBOX') = (wake_at is not null)", name="stripe_event_never_forgotten"),
        sa.CheckConstraint("status in ('NEWS', 'INBOX', 'DONE', 'PARKED')", name="stripe_event_status_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "stripe_event_due", "stripe_event", ["wake_at"], unique=False, postgresql_where=sa.text("wake_at is not null")
    )
    op.create_index(
        "stripe_event_open", "stripe_event", ["saga_id"], unique=False, postgresql_where=sa.text("status <> 'DONE'")
    )
    op.create_table(
        "idempotency_key",
        sa.Column("student_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("saga_id", sa.UUID(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["saga_id"],
            ["saga.id"],
        ),
        sa.PrimaryKeyConstraint("student_id", "key"),
    )
    op.create_index("idempotency_key_age", "idempotency_key", ["created_at"], unique=False)
    op.create_index("idempotency_key_saga", "idempotency_key", ["saga_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("saga_id", sa.UUID(), nullable=False),
        sa.Column("booking_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("student_id", sa.UUID(), nullable=False),
        sa.Column("tutor_id", sa.UUID(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("context_id", sa.UUID(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=False),
        sa.Column("received_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disputed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(status = 'SUCCEEDED') = (received_minor > 0)", name="payment_received_when_succeeded"),
        sa.CheckConstraint("context in ('SESSION_BOOKING', 'COURSE_ENROLLMENT')", name="payment_context_known"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="payment_currency"),
        sa.CheckConstraint("status in ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED')", name="payment_status_stored"),
        sa.CheckConstraint("amount_minor > 0 and received_minor >= 0", name="payment_amounts"),
        sa.ForeignKeyConstraint(
            ["saga_id"],
            ["saga.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("payment_intent_id"),
        sa.UniqueConstraint("saga_id"),
    )
    op.create_index("payment_history", "payment", ["student_id", "created_at", "id"], unique=False)
    op.create_table(
        "refund",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("saga_id", sa.UUID(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider_refund_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status in ('PENDING', 'SUCCEEDED', 'FAILED')", name="refund_status_known"),
        sa.CheckConstraint("amount_minor > 0", name="refund_amount"),
        sa.ForeignKeyConstraint(
            ["saga_id"],
            ["saga.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("provider_refund_id"),
    )
    op.create_index("refund_intent", "refund", ["payment_intent_id"], unique=False)
    op.create_index(
        "refund_open", "refund", ["updated_at"], unique=False, postgresql_where=sa.text("status = 'PENDING'")
    )
    op.create_index("refund_payment", "refund", ["payment_id"], unique=False)
    op.create_table(
        "saga_event",
        sa.Column("saga_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["saga_id"],
            ["saga.id"],
        ),
        sa.PrimaryKeyConstraint("saga_id", "seq"),
    )
