"""An operator finds a payment by what its provider calls it, however many there are."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index callback_payment_reference on callback_payment (reference) where reference is not null")
    op.execute("create index callback_attempt_reference on callback_attempt (reference)")
    op.execute("create index callback_refund_reference on callback_refund (reference) where reference is not null")
