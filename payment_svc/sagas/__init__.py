"""The saga engine: one row per saga, one commit per move, one owner at a time.

definition.py    what a saga is: its steps, what undoes each, where it waits, where it can no longer turn back
phases.py        what happens in each state, ending in one Move
intents.py       the money steps: open, close, give back
engine.py        begin, drive, join, recover: leases and fences
book_and_pay.py  the saga that sells a lesson
"""
