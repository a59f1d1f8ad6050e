"""A row per person to lock, and an index to count an instructor's courses."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("create table person (id uuid primary key)")
    op.execute("create index course_of_instructor on course (instructor_id)")


def downgrade() -> None:
    op.execute("drop index course_of_instructor")
    op.execute("drop table person")
