"""learning_svc's schema. The triggers are in the migrations.

`enrollment_legal_move` (0001) refuses illegal moves, `enrollment_tell_watchers` (0003) notifies of changes.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
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

# A row to lock: what a person has is counted under this lock. It is taken before the lock on a course's row.
person = Table("person", metadata, Column("id", UUID, primary_key=True))

# A transaction that changes `seats_taken`, or `holds_seat` of an enrollment, locks the course's row first.
course = Table(
    "course",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("instructor_id", UUID, nullable=False),
    Column("title", Text, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("seats", Integer),  # null: no limit
    Column("seats_taken", Integer, nullable=False, server_default=text("0")),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    CheckConstraint("length(title) <= 200 and btrim(title) <> ''", name="course_title_says_something"),
    CheckConstraint("price_minor >= 0", name="course_price_not_negative"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="course_currency_is_iso"),
    CheckConstraint("seats between 1 and 1000000", name="course_seats_in_range"),
    CheckConstraint("seats_taken >= 0", name="course_seats_taken_not_negative"),
    CheckConstraint("seats is null or seats_taken <= seats", name="course_never_oversold"),
    CheckConstraint("published or seats_taken = 0", name="course_draft_has_no_students"),
    Index("course_published", "created_at", "id", postgresql_where=text("published")),
    Index("course_of_instructor", "instructor_id"),
    changed_column(),
    changed_index("course"),
)

# A row per enrollment, or its tombstone: an ended row without details, which keeps a late one from being created.
enrollment = Table(
    "enrollment",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("saga_id", UUID, nullable=False),
    Column("status", Text, nullable=False),
    Column("course_id", UUID, ForeignKey("course.id", name="enrollment_of_a_course")),
    Column("student_id", UUID),
    Column("instructor_id", UUID),
    Column("price_minor", BigInteger),
    Column("currency", Text),
    Column("payment_id", UUID),
    Column("hold_expires_at", INSTANT),
    Column("holds_seat", Boolean, nullable=False, server_default=false()),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("activated_at", INSTANT),
    UniqueConstraint("saga_id", name="enrollment_once_per_saga"),
    CheckConstraint(
        "status in ('PAYMENT_REQUIRED', 'ACTIVE', 'CANCELLED', 'PAYMENT_FAILED', 'EXPIRED')",
        name="enrollment_status_known",
    ),
    CheckConstraint(
        "num_nulls(course_id, student_id, instructor_id, price_minor, currency, hold_expires_at)"
        f" = case when course_id is null and {_ENDED} then 6 else 0 end",
        name="enrollment_whole_or_tombstone",
    ),
    CheckConstraint(
        "course_id is not null or num_nonnulls(payment_id, activated_at) = 0", name="enrollment_tombstone_bare"
    ),
    CheckConstraint("student_id <> instructor_id", name="enrollment_two_people"),
    CheckConstraint("price_minor >= 0", name="enrollment_price_not_negative"),
    CheckConstraint(
        "(price_minor > 0) = (payment_id is not null) or course_id is null", name="enrollment_price_is_paid"
    ),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="enrollment_currency_is_iso"),
    CheckConstraint(
        f"case when status = 'ACTIVE' then holds_seat when {_ENDED} then not holds_seat else true end",
        name="enrollment_seat_while_it_lasts",
    ),
    CheckConstraint(
        "case status when 'ACTIVE' then activated_at is not null when 'CANCELLED' then true"
        " else activated_at is null end",
        name="enrollment_activated_once_active",
    ),
    # A student has at most one seat in a course. A hold whose seat was taken over has none.
    Index(
        "enrollment_once_per_student",
        "course_id",
        "student_id",
        unique=True,
        postgresql_where=text("holds_seat"),
    ),
    Index("enrollment_of_student", "student_id", "created_at", "id"),
    Index(
        "enrollment_waiting",
        "course_id",
        "hold_expires_at",
        postgresql_where=text("holds_seat and status = 'PAYMENT_REQUIRED'"),
    ),
    changed_column(),
    changed_index("enrollment"),
)
