"""Courses, who has a seat in them, and the trigger that knows which moves are legal."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table course (
        id uuid primary key,
        instructor_id uuid not null,
        title text not null constraint course_title_says_something
            check (length(title) <= 200 and btrim(title) <> ''),
        price_minor bigint not null constraint course_price_not_negative check (price_minor >= 0),
        currency text not null constraint course_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
        published boolean not null default false,
        seats integer constraint course_seats_in_range check (seats between 1 and 1000000),
        seats_taken integer not null default 0 constraint course_seats_taken_not_negative check (seats_taken >= 0),
        created_at timestamptz not null default clock_timestamp(),
        constraint course_never_oversold check (seats is null or seats_taken <= seats),
        constraint course_draft_has_no_students check (published or seats_taken = 0)
    )
    """,
    "create index course_published on course (created_at, id) where published",
    """
    create table enrollment (
        id uuid primary key,
        saga_id uuid not null constraint enrollment_once_per_saga unique,
        status text not null constraint enrollment_status_known
            check (status in ('PAYMENT_REQUIRED', 'ACTIVE', 'CANCELLED', 'PAYMENT_FAILED', 'EXPIRED')),
        course_id uuid constraint enrollment_of_a_course references course (id),
        student_id uuid,
        instructor_id uuid,
        price_minor bigint constraint enrollment_price_not_negative check (price_minor >= 0),
        currency text constraint enrollment_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
        payment_id uuid,
        hold_expires_at timestamptz,
        holds_seat boolean not null default false,
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        activated_at timestamptz,
        constraint enrollment_whole_or_tombstone check (
            num_nulls(course_id, student_id, instructor_id, price_minor, currency, hold_expires_at)
            = case when course_id is null and status in ('CANCELLED', 'PAYMENT_FAILED', 'EXPIRED') then 6 else 0 end
        ),
        constraint enrollment_tombstone_bare
            check (course_id is not null or num_nonnulls(payment_id, activated_at) = 0),
        constraint enrollment_two_people check (student_id <> instructor_id),
        constraint enrollment_price_is_paid
            check ((price_minor > 0) = (payment_id is not null) or course_id is null),
        constraint enrollment_seat_while_it_lasts check (
            case when status = 'ACTIVE' then holds_seat
                when status in ('CANCELLED', 'PAYMENT_FAILED', 'EXPIRED') then not holds_seat else true end
        ),
        constraint enrollment_activated_once_active check (
            case status when 'ACTIVE' then activated_at is not null when 'CANCELLED' then true
                else activated_at is null end
        )
    )
    """,
    "create unique index enrollment_once_per_student on enrollment (course_id, student_id) where holds_seat",
    "create index enrollment_of_student on enrollment (student_id, created_at, id)",
    """
    create index enrollment_waiting on enrollment (course_id, hold_expires_at)
        where holds_seat and status = 'PAYMENT_REQUIRED'
    """,
    """
    create function enrollment_legal_move() returns trigger language plpgsql as $$
    begin
        if (old.status, new.status) not in (
            ('PAYMENT_REQUIRED', 'PAYMENT_REQUIRED'), ('PAYMENT_REQUIRED', 'ACTIVE'),
            ('PAYMENT_REQUIRED', 'CANCELLED'), ('PAYMENT_REQUIRED', 'PAYMENT_FAILED'),
            ('PAYMENT_REQUIRED', 'EXPIRED'), ('ACTIVE', 'CANCELLED')
        ) then
            raise exception 'an enrollment cannot go from % to %', old.status, new.status
                using errcode = 'check_violation', constraint = 'enrollment_legal_move';
        end if;
        return new;
    end $$
    """,
    """
    create trigger enrollment_legal_move before update on enrollment
        for each row execute function enrollment_legal_move()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table enrollment, course")
    op.execute("drop function enrollment_legal_move()")
