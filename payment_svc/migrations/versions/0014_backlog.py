"""What waits is counted, and the oldest of it is found, however much waits."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index saga_parked on saga (id) where state = 'PARKED'")
    op.execute("create index stripe_event_oldest on stripe_event (received_at) where status in ('NEWS', 'INBOX')")
    op.execute("create index stripe_event_parked on stripe_event (id) where status = 'PARKED'")
