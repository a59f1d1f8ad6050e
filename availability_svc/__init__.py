"""availability_svc owns calendars: tutors' working hours, free slots, and every claim on anybody's time.

No two live claims on one calendar overlap: PostgreSQL refuses the second one (`claim_no_overlap`). A transaction that
claims time first locks the rows of its calendars, in id order. The locks make claimers queue; the constraint is the
proof.

hours               working time as instants
schedules           the schedules that tutors publish, and the free slots within them
tutors              the tutors whom pages may list, each with the soonest free time
limits              how much may stand unpaid, and what a student or tutor has so far
holds               hold, confirm, release: a saga's claim on two calendars, idempotent under the saga's id. And the
                    list of all claims, for the audit
blocks              time that a tutor takes out
worker              deletes claims of lapsed holds, and old blocks, to keep the tables small
"""
