"""Bookings, their timeline, and the trigger that knows which moves are legal."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table booking (
        id uuid primary key,
        saga_id uuid not null constraint booking_once_per_saga unique,
        status text not null constraint booking_status_known
            check (status in ('PAYMENT_REQUIRED', 'CONFIRMED', 'CANCELLED', 'PAYMENT_FAILED', 'EXPIRED')),
        version bigint not null default 1 constraint booking_version_counts check (version >= 1),
        tutor_id uuid,
        student_id uuid,
        course_id uuid,
        start_at timestamptz,
        end_at timestamptz,
        price_minor bigint constraint booking_price_not_negative check (price_minor >= 0),
        currency text constraint booking_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
        purpose text constraint booking_purpose_is_short check (length(purpose) <= 1000),
        hold_expires_at timestamptz,
        availability_block_id uuid,
        session_id uuid,
        payment_id uuid,
        end_reason text not null default '' constraint booking_end_reason_is_short check (length(end_reason) <= 1000),
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        constraint booking_whole_or_tombstone check (
            num_nulls(tutor_id, student_id, start_at, end_at, price_minor, currency, purpose, hold_expires_at,
                availability_block_id, session_id)
            = case when tutor_id is null and status in ('CANCELLED', 'PAYMENT_FAILED', 'EXPIRED') then 10 else 0 end
        ),
        constraint booking_tombstone_bare check (tutor_id is not null or num_nonnulls(course_id, payment_id) = 0),
        constraint booking_two_people check (tutor_id <> student_id),
        constraint booking_lesson_has_length check (start_at < end_at),
        constraint booking_price_is_paid check (price_minor = 0 or payment_id is not null or tutor_id is null),
        constraint booking_reason_only_at_the_end
            check (end_reason = '' or status in ('CANCELLED', 'PAYMENT_FAILED', 'EXPIRED'))
    )
    """,
    "create index booking_of_student on booking (student_id, created_at, id)",
    "create index booking_of_tutor on booking (tutor_id, created_at, id)",
    """
    create table booking_event (
        booking_id uuid not null constraint booking_event_of_a_booking references booking (id),
        version bigint not null,
        at timestamptz not null default clock_timestamp(),
        event text not null,
        detail text not null default '',
        primary key (booking_id, version)
    )
    """,
    """
    create function booking_legal_move() returns trigger language plpgsql as $$
    begin
        if new.version <> old.version + 1 or (old.status, new.status) not in (
            ('PAYMENT_REQUIRED', 'CONFIRMED'), ('PAYMENT_REQUIRED', 'CANCELLED'),
            ('PAYMENT_REQUIRED', 'PAYMENT_FAILED'), ('PAYMENT_REQUIRED', 'EXPIRED'), ('CONFIRMED', 'CANCELLED')
        ) then
            raise exception 'a booking cannot go from % to %', old.status, new.status
                using errcode = 'check_violation', constraint = 'booking_legal_move';
        end if;
        return new;
    end $$
    """,
    """
    create trigger booking_legal_move before update on booking
        for each row execute function booking_legal_move()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table booking_event, booking")
    op.execute("drop function booking_legal_move()")
