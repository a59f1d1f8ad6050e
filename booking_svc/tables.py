"""booking_svc's schema. The trigger that refuses illegal moves (`booking_legal_move`) is in migration 0001."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
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
_ENDED = "status in ('CANCELLED', 'PAYMENT_FAILED', 'EXPIRED')"

# A row per booking, or its tombstone: an ended row without details, which keeps a late booking from being created.
booking = Table(
    "booking",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("saga_id", UUID, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("tutor_id", UUID),
    Column("student_id", UUID),
    Column("course_id", UUID),
    Column("start_at", INSTANT),
    Column("end_at", INSTANT),
    Column("price_minor", BigInteger),
    Column("currency", Text),
    Column("purpose", Text),
    Column("hold_expires_at", INSTANT),
    Column("availability_block_id", UUID),
    Column("session_id", UUID),
    Column("payment_id", UUID),
    Column("end_reason", Text, nullable=False, server_default=""),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    UniqueConstraint("saga_id", name="booking_once_per_saga"),
    CheckConstraint(
        "status in ('PAYMENT_REQUIRED', 'CONFIRMED', 'CANCELLED', 'PAYMENT_FAILED', 'EXPIRED')",
        name="booking_status_known",
    ),
    CheckConstraint("version >= 1", name="booking_version_counts"),
    CheckConstraint(
        "num_nulls(tutor_id, student_id, start_at, end_at, price_minor, currency, purpose, hold_expires_at,"
        f" availability_block_id, session_id) = case when tutor_id is null and {_ENDED} then 10 else 0 end",
        name="booking_whole_or_tombstone",
    ),
    CheckConstraint("tutor_id is not null or num_nonnulls(course_id, payment_id) = 0", name="booking_tombstone_bare"),
    CheckConstraint("tutor_id <> student_id", name="booking_two_people"),
    CheckConstraint("start_at < end_at", name="booking_lesson_has_length"),
    CheckConstraint("price_minor >= 0", name="booking_price_not_negative"),
    CheckConstraint("price_minor = 0 or payment_id is not null or tutor_id is null", name="booking_price_is_paid"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="booking_currency_is_iso"),
    CheckConstraint("length(purpose) <= 1000", name="booking_purpose_is_short"),
    CheckConstraint("length(end_reason) <= 1000", name="booking_end_reason_is_short"),
    CheckConstraint(f"end_reason = '' or {_ENDED}", name="booking_reason_only_at_the_end"),
    Index("booking_of_student", "student_id", "created_at", "id"),
    Index("booking_of_tutor", "tutor_id", "created_at", "id"),
    Index("booking_of_student_by_start", "student_id", "start_at", "id"),
    Index("booking_of_tutor_by_start", "tutor_id", "start_at", "id"),
    changed_column(),
    changed_index("booking"),
)

# The timeline: a row per version, inserted by the statement that makes the version.
booking_event = Table(
    "booking_event",
    metadata,
    Column("booking_id", UUID, ForeignKey("booking.id", name="booking_event_of_a_booking"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("at", INSTANT, nullable=False, server_default=CLOCK),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
)
