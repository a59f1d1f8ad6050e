"""Which claims on a calendar count, in SQL: the schema's constraint and the statements say the same."""

from __future__ import annotations

#: Every state of a claim is live: a claim that is over is deleted.
LIVE = "state in ('HELD', 'CONFIRMED', 'BLOCKED')"
