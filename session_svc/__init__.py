"""session_svc owns the lessons themselves: when, where, who, state.

It promises that a lesson makes only legal moves (the schema refuses the others), that it is completed only once it is
over by the database's clock, that a repeated call gets the first answer, and that what was cancelled before it arrived
stays cancelled.

sessions    create, cancel, complete: each one statement, each safe to repeat; and reading
worker      completes lessons whose time has passed
"""
