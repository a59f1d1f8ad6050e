"""The audit finds what has changed since it last looked: rows carry the transaction that wrote them last."""

from __future__ import annotations

from alembic import op

from mesh.stamped_tables import MAKE_FUNCTIONS, noting_deletions, stamping

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    statements = (
        *MAKE_FUNCTIONS,
        *stamping("saga"),
        *stamping("payment"),
        *stamping("refund"),
        *stamping("callback_payment"),
        *stamping("callback_refund"),
        # Sales that were refused, and booked nothing, are forgotten after a while.
        *noting_deletions("saga", "booking_id", "old.state <> 'REJECTED'"),
        *noting_deletions("payment", "saga_id"),
        *noting_deletions("refund", "saga_id"),
        *noting_deletions("callback_payment", "saga_id"),
        *noting_deletions("callback_refund", "callback_payment_id"),
        "create table audit_mark (is_only boolean primary key default true check (is_only), mark text not null)",
    )
    for statement in statements:
        op.execute(statement)
