"""Calendars: schedules, holds, blocks, and the claims that cannot overlap."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """
    create table schedule (
        tutor_id uuid primary key,
        timezone text not null,
        weekly jsonb not null constraint schedule_weekly_is_a_list check (jsonb_typeof(weekly) = 'array'),
        notice_minutes integer not null constraint schedule_notice_in_range check (notice_minutes between 0 and 525600),
        buffer_minutes integer not null constraint schedule_buffer_in_range check (buffer_minutes between 0 and 1440),
        rate_minor bigint not null constraint schedule_rate_not_negative check (rate_minor >= 0),
        currency text not null constraint schedule_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
        updated_at timestamptz not null default clock_timestamp()
    )
    """,
    "create table calendar (id uuid primary key)",
    """
    create table hold (
        saga_id uuid primary key,
        state text not null constraint hold_state_known check (state in ('HELD', 'CONFIRMED', 'RELEASED')),
        tutor_id uuid,
        student_id uuid,
        start_at timestamptz,
        end_at timestamptz,
        buffer_minutes integer constraint hold_buffer_in_range check (buffer_minutes between 0 and 1440),
        price_minor bigint constraint hold_price_not_negative check (price_minor >= 0),
        currency text constraint hold_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
        block_id uuid constraint hold_block_once unique,
        expires_at timestamptz,
        created_at timestamptz not null default clock_timestamp(),
        confirmed_at timestamptz,
        released_at timestamptz,
        constraint hold_whole_or_tombstone check (
            num_nulls(
                tutor_id, student_id, start_at, end_at, buffer_minutes, price_minor, currency, block_id, expires_at
            ) = case when state = 'RELEASED' and tutor_id is null then 9 else 0 end
        ),
        constraint hold_two_people check (tutor_id <> student_id),
        constraint hold_lesson_has_length check (start_at < end_at),
        constraint hold_ends_by_the_lesson check (expires_at <= start_at),
        constraint hold_released_has_a_time check ((state = 'RELEASED') = (released_at is not null)),
        constraint hold_confirmed_has_a_time check (state <> 'CONFIRMED' or confirmed_at is not null)
    )
    """,
    """
    create table claim (
        id uuid primary key,
        calendar_id uuid not null constraint claim_on_a_calendar references calendar (id),
        saga_id uuid constraint claim_of_a_hold references hold (saga_id),
        role text not null constraint claim_role_known check (role in ('TUTOR', 'STUDENT', 'BLOCK')),
        state text not null constraint claim_state_known check (state in ('HELD', 'CONFIRMED', 'BLOCKED')),
        during tstzrange not null constraint claim_half_open check (
            lower_inc(during) and not upper_inc(during) and not upper_inf(during)
            and isfinite(lower(during)) and isfinite(upper(during))
        ),
        expires_at timestamptz,
        constraint claim_once_per_saga unique (saga_id, role),
        constraint claim_block_is_blocked check ((role = 'BLOCK') = (state = 'BLOCKED')),
        constraint claim_lesson_has_a_saga check ((role = 'BLOCK') = (saga_id is null)),
        constraint claim_only_a_hold_expires check ((state = 'HELD') = (expires_at is not null)),
        constraint claim_no_overlap exclude using gist (calendar_id with =, during with &&)
            where (state in ('HELD', 'CONFIRMED', 'BLOCKED'))
    )
    """,
    "create index claim_held on claim (calendar_id, expires_at) where state = 'HELD'",
    """
    create table block (
        id uuid primary key,
        tutor_id uuid not null,
        start_at timestamptz not null,
        end_at timestamptz not null,
        reason text not null constraint block_reason_is_short check (length(reason) <= 500),
        request_id uuid,
        place integer not null,
        created_at timestamptz not null default clock_timestamp(),
        removed_at timestamptz,
        constraint block_once_per_request unique (tutor_id, request_id, place),
        constraint block_has_length check (start_at < end_at)
    )
    """,
)


def upgrade() -> None:
    op.execute("create extension if not exists btree_gist")
    for table in TABLES:
        op.execute(table)


def downgrade() -> None:
    op.execute("drop table block, claim, hold, calendar, schedule")
