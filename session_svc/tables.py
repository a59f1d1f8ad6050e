"""session_svc's schema. The trigger that refuses illegal moves (`session_legal_move`) is in migration 0003."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from mesh.stamped_tables import changed_column, changed_index, deleted_row

metadata = MetaData()
deleted_row(metadata)
INSTANT = DateTime(timezone=True)
CLOCK = func.clock_timestamp()

# A row per session, or its tombstone: a cancelled row without a lesson, which keeps a late session from being created.
session = Table(
    "session",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("saga_id", UUID, nullable=False),
    Column("status", Text, nullable=False),
    Column("booking_id", UUID),
    Column("tutor_id", UUID),
    Column("student_id", UUID),
    Column("scheduled_at", INSTANT),
    Column("duration_minutes", Integer),
    Column("room", Text),
    Column("completed_at", INSTANT),
    Column("cancel_decided_at", INSTANT),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    UniqueConstraint("saga_id", name="session_once_per_saga"),
    UniqueConstraint("booking_id", name="session_once_per_booking"),
    CheckConstraint("status in ('CONFIRMED', 'COMPLETED', 'CANCELLED')", name="session_status_known"),
    CheckConstraint(
        "num_nulls(booking_id, tutor_id, student_id, scheduled_at, duration_minutes, room)"
        " = case when tutor_id is null and status = 'CANCELLED' then 6 else 0 end",
        name="session_whole_or_tombstone",
    ),
    CheckConstraint("tutor_id <> student_id", name="session_two_people"),
    CheckConstraint("duration_minutes between 1 and 1440", name="session_duration_in_range"),
    CheckConstraint("length(room) >= 20", name="session_room_unguessable"),
    CheckConstraint("(status = 'COMPLETED') = (completed_at is not null)", name="session_completed_has_a_time"),
    CheckConstraint(
        "completed_at >= scheduled_at + make_interval(mins => duration_minutes)", name="session_completed_when_over"
    ),
    CheckConstraint("cancel_decided_at is null or status = 'CANCELLED'", name="session_decided_is_cancelled"),
    Index("session_of_student", "student_id", "scheduled_at", "id"),
    Index("session_of_tutor", "tutor_id", "scheduled_at", "id"),
    Index("session_due", "scheduled_at", postgresql_where=text("status = 'CONFIRMED'")),
    changed_column(),
    changed_index("session"),
)
