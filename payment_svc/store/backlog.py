"""What is stored and waits: counted by one statement that reads a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.database import Database
from mesh.statements import text

#: No more rows than this are counted of each sort. Each sort is found by a partial index of what waits.
MOST = 10_000

# What waits for a person is counted apart: the many that wait for a machine must not hide it.
_READ = text("""
    with open as (select kind, state from saga where not is_complete and state <> 'PARKED' limit :most),
    parked as (select kind, state, error ->> 'reason' as reason from saga where state = 'PARKED' limit :most),
    event as (
        (select status from stripe_event where status in ('NEWS', 'INBOX') limit :most)
        union all (select status from stripe_event where status = 'PARKED' limit :most)
    ),
    message as (
        (select channel, status from notification where wake_at is not null limit :most)
        union all (select channel, status from notification where status = 'DEAD' limit :most)
    )
    select 'saga' as what, kind as one, state as two, cast(count(*) as float8) as number from open group by kind, state
    union all select 'saga', kind, state, count(*) from parked group by kind, state
    union all select 'parked', coalesce(reason, ''), '', count(*) from parked group by 2
    union all select 'due', '', '', extract(epoch from clock_timestamp() - min(wake_at)) from saga
        where wake_at <= now() having min(wake_at) is not null
    union all select 'event', status, '', count(*) from event group by status
    union all select 'event_age', '', '', extract(epoch from clock_timestamp() - min(received_at)) from stripe_event
        where status in ('NEWS', 'INBOX') having min(received_at) is not null
    union all select 'message', channel, status, count(*) from message group by channel, status
""")


@dataclass(frozen=True, slots=True)
class Counted:
    """One number of the backlog: what it counts, its one or two labels."""

    what: str
    one: str
    two: str
    number: float


class BacklogStore:
    """Reads the backlog of all replicas. `most` rows are counted of each sort."""

    def __init__(self, database: Database, most: int = MOST) -> None:
        self._database, self._most = database, most

    async def read(self) -> Sequence[Counted]:
        """What there is by now. What is not there has no row. Raises TryAgain, Overloaded."""
        rows = await self._database.rows(_READ, {"most": self._most})
        return [Counted(row.what, row.one, row.two, float(row.number)) for row in rows]
