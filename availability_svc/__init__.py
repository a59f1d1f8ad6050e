"""availability_svc owns calendars: tutors' working hours, free slots, and every claim on anybody's time.

It promises that no two live claims on one calendar overlap: PostgreSQL refuses the second (`claim_no_overlap`), and
every claimer queues at its calendars' rows, one by one in id order: the constraint is the proof and not the queue.

hours, slots        working time as instants, and what of it is free
schedules           what a tutor publishes
holds               hold, confirm, release: a saga's claim on two calendars, idempotent under the saga's id
blocks              time a tutor takes out
worker              tidies away lapsed holds, which need no tidying to give way
"""
