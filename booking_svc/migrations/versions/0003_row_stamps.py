"""The audit finds what has changed since it last looked: rows carry the transaction that wrote them last."""

from __future__ import annotations

from alembic import op

from mesh.stamped_tables import MAKE_FUNCTIONS, noting_deletions, stamping

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    statements = (
        *MAKE_FUNCTIONS,
        *stamping("booking"),
        *noting_deletions("booking", "saga_id"),
    )
    for statement in statements:
        op.execute(statement)
