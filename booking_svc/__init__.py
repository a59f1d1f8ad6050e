"""booking_svc owns booking records: the lesson that a student asked for, its status, and the stream of its changes.

It promises:

- a booking changes its status only along MOVES; the schema refuses every other change;
- a repeated call returns the result of the first one;
- a booking that was ended before it arrived is never created;
- a watcher sees the newest state after every change.

bookings    create, confirm, end: each one statement, each safe to repeat; and reading
watches     streams a booking: as it is now, then after each change
changes     PostgreSQL's notifications: one connection listens and wakes the watchers
"""
