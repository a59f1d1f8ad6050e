"""Whoever changes an enrollment's status tells its watchers, whatever version it is."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        create function enrollment_tell_watchers() returns trigger language plpgsql as $$
        begin
            perform pg_notify('enrollment_changed', cast(new.id as text));
            return null;
        end $$
    """)
    op.execute("""
        create trigger enrollment_tell_watchers after update on enrollment
            for each row when (old.status <> new.status) execute function enrollment_tell_watchers()
    """)


def downgrade() -> None:
    op.execute("drop trigger enrollment_tell_watchers on enrollment")
    op.execute("drop function enrollment_tell_watchers()")
