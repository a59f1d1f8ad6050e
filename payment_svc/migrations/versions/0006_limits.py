"""Limits on what a person can make: keys are counted, refused sales can be deleted cheaply, a parked event says why.

The indexes lead from a saga to what points at it, so that deleting one reads no whole table.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index saga_refused on saga (updated_at) where state = 'REJECTED' and role = 'SALE'")
    op.execute("create index refund_saga on refund (saga_id)")
    op.execute("create index stripe_event_saga on stripe_event (saga_id)")
    op.execute("""
        alter table stripe_event add constraint stripe_event_parked_with_a_reason
        check (status <> 'PARKED' or error is not null)
    """)
    op.execute("""
        create function idempotency_key_count() returns trigger language plpgsql as $$
        begin
            perform pg_advisory_xact_lock(hashtextextended('idempotency_key ' || new.student_id, 0));
            if not exists (select from idempotency_key where student_id = new.student_id and key = new.key)
                and (select count(*) from idempotency_key where student_id = new.student_id) >= 1000 then
                raise check_violation using constraint = 'idempotency_key_limit', message = 'the student has 1000 keys';
            end if;
            return new;
        end $$
    """)
    op.execute("""
        create trigger idempotency_key_limit before insert on idempotency_key
        for each row execute function idempotency_key_count()
    """)
