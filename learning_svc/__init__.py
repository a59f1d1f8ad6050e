"""learning_svc owns courses, their seats, and the enrollments that hold these seats. It calls no other service.

It promises:

- a course never sells more seats than it has: one statement takes the seat and inserts the enrollment;
- an enrollment changes its status only along MOVES; the schema refuses every other change;
- a repeated call returns the result of the first one;
- an enrollment that was ended before it arrived is never created.

courses       create and publish courses; read those that the caller may see
seats         hold a seat, activate its enrollment, free it: the steps of a saga
enrollments   read the enrollments that the caller may see
"""
