"""How far a refund is: what people were told of it, a lost dispute, and a kind of case for a refund that was given up.

A refund that the provider refused was kept as PENDING, and its saga was parked. It has failed.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("insert into saga_kind (name, role, subject) values ('RefundCase', 'CASE', null)")
    op.execute("alter table refund add column told_as uuid")
    op.execute("alter table payment add column charged_back boolean not null default false")
    op.execute("""
        update refund set status = 'FAILED' from saga s
        where refund.status = 'PENDING' and refund.provider_refund_id is null
          and s.booking_id = (select booking_id from saga where id = refund.saga_id)
          and s.state = 'PARKED' and s.error ->> 'reason' = 'NEEDS_A_PERSON'
    """)
