"""The kinds of sagas as rows: what a saga is for is data, and no constraint or index lists kinds any more.

A trigger gives each new saga the role of its kind, so that replicas of the version before can insert sagas too.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table saga_kind (
            name text not null,
            role text not null,
            subject text,
            constraint saga_kind_pkey primary key (name),
            constraint saga_kind_role_known check (role in ('SALE', 'CANCEL', 'CASE')),
            constraint saga_kind_subject_known check (subject in ('LESSON', 'COURSE'))
        )
    """)
    op.execute("""
        insert into saga_kind (name, role, subject) values
            ('BookAndPayForSessionSaga', 'SALE', 'LESSON'),
            ('EnrollInCourseSaga', 'SALE', 'COURSE'),
            ('CancelBookingSaga', 'CANCEL', 'LESSON'),
            ('CancelEnrollmentSaga', 'CANCEL', 'COURSE'),
            ('DisputeCase', 'CASE', null)
    """)
    op.execute("alter table saga add column role text")
    op.execute("update saga set role = saga_kind.role from saga_kind where saga_kind.name = saga.kind")
    op.execute("alter table saga alter column role set not null")
    op.execute("""
        create function saga_set_role() returns trigger language plpgsql as $$
        declare known saga_kind;
        begin
            select * into known from saga_kind where name = new.kind;
            if (known.subject = 'COURSE') <> (new.course_id is not null) then
                raise check_violation using constraint = 'saga_kind_fits', message = 'the saga is not about what its kind sells';
            end if;
            new.role := known.role;
            return new;
        end $$
    """)
    op.execute("create trigger saga_role before insert on saga for each row execute function saga_set_role()")
    op.execute("alter table saga drop constraint saga_kind_fits")
    op.execute("drop index saga_open_slot")
    op.execute("""
        create unique index saga_open_slot on saga (student_id, tutor_id, time_slot)
        where not is_complete and role = 'SALE'
    """)
    op.execute("drop index saga_open_course")
    op.execute("""
        create unique index saga_open_course on saga (student_id, course_id) where not is_complete and role = 'SALE'
    """)
    op.execute("drop index saga_one_cancel")
    op.execute("""
        create unique index saga_one_cancel on saga (booking_id) where role = 'CANCEL' and state <> 'REJECTED'
    """)
