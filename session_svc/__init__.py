"""session_svc owns sessions, the lessons that were sold: time, place, people and status.

It promises:

- a session changes its status only along MOVES and EARLY_MOVES; the schema refuses every other change;
- a session is completed only once its lesson is over by the database's clock;
- a repeated call returns the result of the first one;
- a session that was cancelled before it arrived is never created.

sessions    create, cancel, complete: each one statement, each safe to repeat; and reading
worker      completes sessions whose lesson is over
"""
