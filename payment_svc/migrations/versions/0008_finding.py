"""An operator finds a saga by its student, session, payment or request."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table saga add column request_id text")
    op.execute("create index saga_student on saga (student_id)")
    op.execute("create index saga_session on saga (session_id) where session_id is not null")
    op.execute("create index saga_payment on saga (payment_id)")
    op.execute("create index saga_request on saga (request_id) where request_id is not null")
