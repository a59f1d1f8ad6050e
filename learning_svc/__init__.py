"""learning_svc: courses and enrollments.

Owns what is taught (title, instructor, price, seats, published or not) and who has a seat in it. A seat is taken by a
conditional update in the same transaction as the enrollment that takes it: a course is never sold beyond its seats,
whatever the callers do. Like every participant of a saga it is a barrier: each step is idempotent under the saga's id,
and ending an enrollment that never arrived leaves a tombstone. It calls no other service.

courses       create, publish; who may see which
seats         hold, win, give back: what a saga does
enrollments   reading them
"""
