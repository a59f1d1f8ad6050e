"""A cancel that was decided before the lesson's end comes before its completion, whichever arrives first."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

MOVES = "(('CONFIRMED', 'COMPLETED'), ('CONFIRMED', 'CANCELLED'))"
DECIDED_BEFORE_ITS_END = """
    or (old.status, new.status) = ('COMPLETED', 'CANCELLED')
    and new.cancel_decided_at < old.scheduled_at + make_interval(mins => old.duration_minutes)
"""


def upgrade() -> None:
    op.execute("""
        alter table session
            add column cancel_decided_at timestamptz,
            add constraint session_decided_is_cancelled check (cancel_decided_at is null or status = 'CANCELLED')
    """)
    op.execute(legal_move(DECIDED_BEFORE_ITS_END))


def downgrade() -> None:
    op.execute(legal_move(""))
    op.execute("alter table session drop column cancel_decided_at")


def legal_move(besides: str) -> str:
    """The trigger's function. Nothing known of a decision is no decision: null is not true."""
    return f"""
        create or replace function session_legal_move() returns trigger language plpgsql as $$
        begin
            if ((old.status, new.status) in {MOVES} {besides}) is not true then
                raise exception 'a session cannot go from % to %', old.status, new.status
                    using errcode = 'check_violation', constraint = 'session_legal_move';
            end if;
            return new;
        end $$
    """
