"""What students read as a tutor's name, and whether pages list the tutor. An index to list blocks that are to come."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    r"""
    alter table schedule
        add column display_name text not null default '',
        add column listed boolean not null default true,
        add constraint schedule_display_name_is_short check (length(display_name) <= 80),
        add constraint schedule_display_name_is_one_line check (display_name !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]')
    """,
    "create index block_coming on block (tutor_id, start_at, id) where removed_at is null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index block_coming")
    op.execute("alter table schedule drop column display_name, drop column listed")
