"""availability_svc's schema. The constraint `claim_no_overlap` keeps a slot from being sold twice, whatever code runs."""

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
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, UUID, ExcludeConstraint

from availability_svc.claim_states import LIVE
from mesh.stamped_tables import changed_column, changed_index, deleted_row

metadata = MetaData()
deleted_row(metadata)
INSTANT = DateTime(timezone=True)
CLOCK = func.clock_timestamp()

schedule = Table(
    "schedule",
    metadata,
    Column("tutor_id", UUID, primary_key=True),
    Column("timezone", Text, nullable=False),
    # [[start, end], …] in minutes of the local week, in order, never touching
    Column("weekly", JSONB, nullable=False),
    Column("notice_minutes", Integer, nullable=False),
    Column("buffer_minutes", Integer, nullable=False),
    Column("rate_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("updated_at", INSTANT, nullable=False, server_default=CLOCK),
    # The windows as published; `weekly` has them merged. Null, or of another week, after a publisher that knew no such
    # column: then `weekly` counts.
    Column("windows", JSONB),
    Column("shortest_minutes", Integer, nullable=False, server_default=text("15")),
    Column("longest_minutes", Integer, nullable=False, server_default=text("240")),
    Column("start_every_minutes", Integer, nullable=False, server_default=text("15")),
    Column("days_ahead", Integer, nullable=False, server_default=text("365")),
    Column("display_name", Text, nullable=False, server_default=text("''")),
    Column("listed", Boolean, nullable=False, server_default=text("true")),
    # The tutors whom pages may list: those without hours have nothing to offer.
    Index("schedule_listed", "tutor_id", postgresql_where=text("listed and weekly <> '[]'")),
    CheckConstraint("length(display_name) <= 80", name="schedule_display_name_is_short"),
    CheckConstraint(
        r"display_name !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'", name="schedule_display_name_is_one_line"
    ),
    CheckConstraint("jsonb_typeof(windows) = 'array'", name="schedule_windows_are_a_list"),
    CheckConstraint(
        "1 <= shortest_minutes and shortest_minutes <= longest_minutes and longest_minutes <= 1440",
        name="schedule_lengths_in_range",
    ),
    CheckConstraint("start_every_minutes between 1 and 1440", name="schedule_start_every_in_range"),
    CheckConstraint("days_ahead between 1 and 3650", name="schedule_days_ahead_in_range"),
    CheckConstraint("jsonb_typeof(weekly) = 'array'", name="schedule_weekly_is_a_list"),
    CheckConstraint("notice_minutes between 0 and 525600", name="schedule_notice_in_range"),
    CheckConstraint("buffer_minutes between 0 and 1440", name="schedule_buffer_in_range"),
    CheckConstraint("rate_minor >= 0", name="schedule_rate_not_negative"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="schedule_currency_is_iso"),
)

# A row to lock: a transaction that changes claims first locks the rows of their calendars, in id order. `version` grows
# with each claim that is added, but for those that a replica of the version before adds.
calendar = Table(
    "calendar",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
)

# One row per saga, kept for ever: it answers a repeated call, and refuses a hold that arrives after its release.
hold = Table(
    "hold",
    metadata,
    Column("saga_id", UUID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tutor_id", UUID),
    Column("student_id", UUID),
    Column("start_at", INSTANT),
    Column("end_at", INSTANT),
    Column("buffer_minutes", Integer),
    Column("price_minor", BigInteger),
    Column("currency", Text),
    Column("block_id", UUID),
    Column("expires_at", INSTANT),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("confirmed_at", INSTANT),
    Column("released_at", INSTANT),
    UniqueConstraint("block_id", name="hold_block_once"),
    CheckConstraint("state in ('HELD', 'CONFIRMED', 'RELEASED')", name="hold_state_known"),
    CheckConstraint(
        "num_nulls(tutor_id, student_id, start_at, end_at, buffer_minutes, price_minor, currency, block_id, expires_at)"
        " = case when state = 'RELEASED' and tutor_id is null then 9 else 0 end",
        name="hold_whole_or_tombstone",
    ),
    CheckConstraint("tutor_id <> student_id", name="hold_two_people"),
    CheckConstraint("start_at < end_at", name="hold_lesson_has_length"),
    CheckConstraint("expires_at <= start_at", name="hold_ends_by_the_lesson"),
    CheckConstraint("buffer_minutes between 0 and 1440", name="hold_buffer_in_range"),
    CheckConstraint("price_minor >= 0", name="hold_price_not_negative"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="hold_currency_is_iso"),
    CheckConstraint("(state = 'RELEASED') = (released_at is not null)", name="hold_released_has_a_time"),
    CheckConstraint("state <> 'CONFIRMED' or confirmed_at is not null", name="hold_confirmed_has_a_time"),
    Index("hold_of_student", "student_id", "created_at"),
    Index(
        "hold_paid",
        "student_id",
        postgresql_where=text("confirmed_at is not null and price_minor > 0"),
    ),
)

claim = Table(
    "claim",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("calendar_id", UUID, ForeignKey("calendar.id", name="claim_on_a_calendar"), nullable=False),
    Column("saga_id", UUID, ForeignKey("hold.saga_id", name="claim_of_a_hold")),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("during", TSTZRANGE, nullable=False),
    Column("expires_at", INSTANT),
    ExcludeConstraint(("calendar_id", "="), ("during", "&&"), where=text(LIVE), name="claim_no_overlap", using="gist"),
    UniqueConstraint("saga_id", "role", name="claim_once_per_saga"),
    CheckConstraint("role in ('TUTOR', 'STUDENT', 'BLOCK')", name="claim_role_known"),
    CheckConstraint(LIVE, name="claim_state_known"),
    CheckConstraint("(role = 'BLOCK') = (state = 'BLOCKED')", name="claim_block_is_blocked"),
    CheckConstraint("(role = 'BLOCK') = (saga_id is null)", name="claim_lesson_has_a_saga"),
    CheckConstraint("(state = 'HELD') = (expires_at is not null)", name="claim_only_a_hold_expires"),
    CheckConstraint(
        "lower_inc(during) and not upper_inc(during) and not upper_inf(during)"
        " and isfinite(lower(during)) and isfinite(upper(during))",
        name="claim_half_open",
    ),
    Index("claim_held", "calendar_id", "expires_at", postgresql_where=text("state = 'HELD'")),
    changed_column(),
    changed_index("claim"),
)

# Blocks lie on whole minutes. The schema does not say so, because older rows may have seconds.
# One row per block, until a day after its removal or its end: it answers a repeated request. A block that stands has a
# claim with the same id.
block = Table(
    "block",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tutor_id", UUID, nullable=False),
    Column("start_at", INSTANT, nullable=False),
    Column("end_at", INSTANT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", UUID),
    Column("place", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=CLOCK),
    Column("removed_at", INSTANT),
    UniqueConstraint("tutor_id", "request_id", "place", name="block_once_per_request"),
    CheckConstraint("start_at < end_at", name="block_has_length"),
    CheckConstraint("length(reason) <= 500", name="block_reason_is_short"),
    Index("block_removed", "removed_at", postgresql_where=text("removed_at is not null")),
    Index("block_over", "end_at"),
    Index("block_coming", "tutor_id", "start_at", "id", postgresql_where=text("removed_at is null")),
)
