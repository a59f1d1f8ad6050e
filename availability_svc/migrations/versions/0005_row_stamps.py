"""The audit finds what has changed since it last looked: rows carry the transaction that wrote them last."""

from __future__ import annotations

from alembic import op

from mesh.stamped_tables import MAKE_FUNCTIONS, noting_deletions, stamping

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    statements = (
        *MAKE_FUNCTIONS,
        *stamping("claim"),
        # A hold that ends unpaid loses its claims. Only a lesson's claim is missed.
        *noting_deletions("claim", "saga_id", "old.state = 'CONFIRMED'"),
    )
    for statement in statements:
        op.execute(statement)
