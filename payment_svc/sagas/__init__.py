"""The saga engine: one row per saga, one commit per move, one owner at a time.

definition.py      what a saga is: its steps, what undoes each, where it waits, where it can no longer turn back
phases.py          what happens in each state, ending in one Move
intents.py         a saga's PaymentIntent: open it, close it for good, look at it
refunds.py         money back, once: decided and committed first, then asked for
engine.py          begin, drive, join, recover: leases and fences
book_and_pay.py    the saga that sells a lesson
cancel_booking.py  the saga that takes a sold lesson back
"""
