"""Sagas and payments of courses beside those of lessons."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CANCELS = "kind in ('CancelBookingSaga', 'CancelEnrollmentSaga') and state <> 'REJECTED'"


def upgrade() -> None:
    op.add_column("saga", sa.Column("course_id", sa.UUID(), nullable=True))
    for column in ("tutor_id", "time_slot", "minutes", "session_id"):
        op.alter_column("saga", column, nullable=True)
    op.create_check_constraint(
        "saga_of_a_lesson_or_a_course",
        "saga",
        "case when course_id is null then num_nulls(tutor_id, time_slot, minutes, session_id) = 0"
        " else num_nonnulls(time_slot, minutes, session_id) = 0 end",
    )
    op.create_check_constraint(
        "saga_kind_fits",
        "saga",
        "case when kind in ('BookAndPayForSessionSaga', 'CancelBookingSaga') then course_id is null"
        " when kind in ('EnrollInCourseSaga', 'CancelEnrollmentSaga') then course_id is not null else true end",
    )
    op.create_index(
        "saga_open_course",
        "saga",
        ["student_id", "course_id"],
        unique=True,
        postgresql_where=sa.text("not is_complete and kind = 'EnrollInCourseSaga'"),
    )
    op.drop_index("saga_one_cancel", "saga")
    op.create_index("saga_one_cancel", "saga", ["booking_id"], unique=True, postgresql_where=sa.text(CANCELS))
    op.alter_column("payment", "session_id", nullable=True)
    op.alter_column("payment", "tutor_id", nullable=True)
    op.create_check_constraint(
        "payment_context_whole",
        "payment",
        "case when context = 'SESSION_BOOKING' then num_nulls(tutor_id, session_id) = 0 else session_id is null end",
    )
