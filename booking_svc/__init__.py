"""booking_svc owns booking records: what a student asked for, what became of it, and the stream of its changes.

It promises that a booking makes only legal moves (the schema refuses the others), that a repeated call gets the first
answer, that what was undone before it arrived stays undone, and that a watcher misses no change.

bookings    create, confirm, end: each one statement, each safe to repeat; and reading
watches     a booking as it is, then after each change
changes     PostgreSQL's notifications, heard by one connection and handed to every watcher
"""
