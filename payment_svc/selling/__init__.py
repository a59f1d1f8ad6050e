"""How something is sold.

book_and_pay.py      BookAndPayForSessionSaga: how a lesson is sold, on one page. Start here
enroll_in_course.py  EnrollInCourseSaga: how a seat in a course is sold
definition.py        the words in which the two are written: Step, OpenPayment, WaitForPayment, Pivot
purchase.py          carries a definition out, one transition at a time
payment.py           the steps around the payment: open it, wait for it, close it, give it back
transitions.py       the transitions of a purchase, as pure functions
holding.py           how a hold is asked for, and what its answer means
ordering.py          one saga per order, whatever is repeated
orders.py            the use cases BookSession and EnrollInCourse
"""
