"""The saga engine: one row per saga, one commit per move, one owner at a time.

definition.py         what a saga is: its steps, what undoes each, where it can no longer turn back
phases.py             what happens in each state of a purchase, ending in one Move
taking_back.py        what happens in every cancel of what was sold
steps.py              what the steps of all of them share
intents.py            a saga's PaymentIntent: open it, close it for good, look at it
refunds.py            money back, once: decided and committed first, then asked for
engine.py             begin, drive, join, recover: leases and fences
book_and_pay.py       the saga that sells a lesson
enroll.py             the saga that sells a place in a course
cancel_booking.py     the saga that takes a sold lesson back
cancel_enrollment.py  the saga that takes a sold place back
"""
