"""A tutor pages through the payments of what they teach."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index payment_of_tutor on payment (tutor_id, created_at, id)")
