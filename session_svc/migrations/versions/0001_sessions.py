"""Sessions, and the trigger that knows which moves are legal."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table session (
        id uuid primary key,
        saga_id uuid not null constraint session_once_per_saga unique,
        status text not null constraint session_status_known check (status in ('CONFIRMED', 'COMPLETED', 'CANCELLED')),
        booking_id uuid constraint session_once_per_booking unique,
        tutor_id uuid,
        student_id uuid,
        scheduled_at timestamptz,
        duration_minutes integer constraint session_duration_in_range check (duration_minutes between 1 and 1440),
        room text constraint session_room_unguessable check (length(room) >= 20),
        completed_at timestamptz,
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        constraint session_whole_or_tombstone check (
            num_nulls(booking_id, tutor_id, student_id, scheduled_at, duration_minutes, room)
            = case when tutor_id is null and status = 'CANCELLED' then 6 else 0 end
        ),
        constraint session_two_people check (tutor_id <> student_id),
        constraint session_completed_has_a_time check ((status = 'COMPLETED') = (completed_at is not null)),
        constraint session_completed_when_over
            check (completed_at >= scheduled_at + make_interval(mins => duration_minutes))
    )
    """,
    "create index session_of_student on session (student_id, scheduled_at, id)",
    "create index session_of_tutor on session (tutor_id, scheduled_at, id)",
    """
    create function session_legal_move() returns trigger language plpgsql as $$
    begin
        if (old.status, new.status) not in (('CONFIRMED', 'COMPLETED'), ('CONFIRMED', 'CANCELLED')) then
            raise exception 'a session cannot go from % to %', old.status, new.status
                using errcode = 'check_violation', constraint = 'session_legal_move';
        end if;
        return new;
    end $$
    """,
    """
    create trigger session_legal_move before update on session
        for each row execute function session_legal_move()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table session")
    op.execute("drop function session_legal_move()")
