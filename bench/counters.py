"""What PostgreSQL has written so far, and which one it is."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

# Every transaction that writes takes the next id. Reading the snapshot takes none.
_READ = """
    select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as writes,
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as wal_bytes
"""


@dataclass(frozen=True)
class Written:
    """Write transactions, and bytes of the write-ahead log."""

    writes: int
    wal_bytes: int

    def __sub__(self, before: Written) -> Written:
        return Written(self.writes - before.writes, self.wal_bytes - before.wal_bytes)


async def read_written(connection: asyncpg.Connection) -> Written:
    """What the whole server has written since it was made."""
    return Written(**await connection.fetchrow(_READ))


async def read_version(connection: asyncpg.Connection) -> str:
    """Such as "PostgreSQL 15.4"."""
    return f"PostgreSQL {(await connection.fetchval('show server_version')).split()[0]}"
