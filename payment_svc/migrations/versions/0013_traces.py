"""A saga knows the span that began it, so that a later run can link to that trace."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table saga add column traceparent text not null default '' check (length(traceparent) <= 55)")
