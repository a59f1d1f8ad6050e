"""Payment engines with names of their own: sessions that they are asked for, and references that each uses once.

References from before belong to the engine `callback`. Where two payments had the same one, the first keeps it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table callback_payment
            add column engine text not null default 'callback',
            add column session_id text,
            add column payment_url text,
            add constraint callback_payment_session_with_its_url
                check ((session_id is null) = (payment_url is null))
    """)
    op.execute("""
        create table callback_reference (
            engine text not null,
            reference text not null,
            callback_payment_id text not null references callback_payment (id),
            primary key (engine, reference),
            constraint callback_reference_of_a_payment unique (engine, reference, callback_payment_id)
        )
    """)
    op.execute("""
        insert into callback_reference (engine, reference, callback_payment_id)
        select 'callback', reference, id from (
            select reference, id, updated_at as at from callback_payment where reference is not null
            union all
            select reference, callback_payment_id, at from callback_attempt
            union all
            select reference, callback_payment_id, updated_at from callback_refund where reference is not null
        ) told order by at, id on conflict do nothing
    """)
