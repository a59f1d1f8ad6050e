"""What a tutor offers: lengths, starts, days ahead. Indexes to count what is unpaid, and to forget blocks."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    alter table schedule
        add column windows jsonb
            constraint schedule_windows_are_a_list check (jsonb_typeof(windows) = 'array'),
        add column shortest_minutes integer not null default 15,
        add column longest_minutes integer not null default 240,
        add column start_every_minutes integer not null default 15
            constraint schedule_start_every_in_range check (start_every_minutes between 1 and 1440),
        add column days_ahead integer not null default 365
            constraint schedule_days_ahead_in_range check (days_ahead between 1 and 3650),
        add constraint schedule_lengths_in_range check (
            1 <= shortest_minutes and shortest_minutes <= longest_minutes and longest_minutes <= 1440
        )
    """,
    "create index hold_of_student on hold (student_id, created_at)",
    "create index hold_paid on hold (student_id) where confirmed_at is not null and price_minor > 0",
    "create index block_removed on block (removed_at) where removed_at is not null",
    "create index block_over on block (end_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index block_over")
    op.execute("drop index block_removed")
    op.execute("drop index hold_paid")
    op.execute("drop index hold_of_student")
    op.execute(
        "alter table schedule drop column windows, drop column shortest_minutes, drop column longest_minutes,"
        " drop column start_every_minutes, drop column days_ahead"
    )
