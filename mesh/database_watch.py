"""The watch of a service's database: does the server answer, and does it write?

The server answers `grpc.health.v1` for two more names by it. Readiness asks for them; load balancing does not, because
a full disk still lets people read, and replicas share their database.

    database           SERVING while the database answers in time
    database.writes    SERVING while it takes writes too
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from mesh.database import READ_ONLY, Connection, Database
from mesh.database_faults import AWAY, Fault, Unnoted, find_fault, sqlstate_of
from mesh.errors import Refusal
from mesh.health import DATABASE, WRITES
from mesh.logs import log
from mesh.metrics.database import SKEW, note_status
from mesh.server import SetStatus
from mesh.statements import text

EVERY_SECONDS, AGAIN_SECONDS = 3.0, 0.5
#: How long the database may take to answer a look.
ANSWER_SECONDS = 2.0
#: An answer that took longer does not say when the database read its clock.
SURE_SECONDS = 1.0

_ASK_READ_ONLY = text("""
    select current_setting('transaction_read_only') = 'on' as is_read_only, extract(epoch from clock_timestamp()) as now
""")
# A sort with this little memory goes through a temporary file, so the disk must have room. The message is a record of
# the write-ahead log, which the commit writes to the disk. Neither leaves anything behind.
_LITTLE_MEMORY = text("set local work_mem = '64kB'")
_WRITE = text("""
    select count(*), pg_logical_emit_message(true, 'tutormesh', '')::text
    from (select n from generate_series(1, 6000) as n order by n desc) as sorted
""")


class Watch:
    """Probes a database over a connection of its own, so that a full pool is not taken for a sick server."""

    def __init__(self, database: Database, *, every: float = EVERY_SECONDS) -> None:
        self._watched, self._every = database, every
        self._is_well = True

    async def run(self, set_status: SetStatus) -> None:
        """Probe until cancelled; a database that is unwell, more often."""
        set_status(DATABASE, False)
        set_status(WRITES, False)
        name = self._watched.name
        url, pooler = self._watched.url, self._watched.pooler
        own = Database(url, name=name, pool_size=1, answer_seconds=ANSWER_SECONDS, faults=Unnoted(name), pooler=pooler)
        async with own:
            while True:
                fault, error = await _look(own)
                fault = fault or self._watched.faults.current
                answers, writes = fault is None or fault.is_of_writes, fault is None
                set_status(DATABASE, answers)
                set_status(WRITES, writes)
                note_status(name, answers=answers, writes=writes)
                self._tell(fault, error)
                await asyncio.sleep(min(self._every, AGAIN_SECONDS) if fault else self._every)

    def _tell(self, fault: Fault | None, error: BaseException | None) -> None:
        if fault is not None:
            self._watched.faults.alert(fault, error)
        elif not self._is_well:
            self._watched.faults.end()
            log().info("database_well", database=self._watched.name)
        self._is_well = fault is None


async def _look(database: Database) -> tuple[Fault | None, BaseException | None]:
    """What is wrong with the database. A lost connection is no fault while a second one can be had in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            fault, error = await _probe(database)
            return await _probe(database) if fault is AWAY else (fault, error)
    except TimeoutError as silence:
        return AWAY, silence


async def _probe(database: Database) -> tuple[Fault | None, BaseException | None]:
    try:
        return await database.transaction(partial(_write, database.name)), None
    except Refusal as error:  # Overloaded too: the last probe still waits for its answer
        return find_fault(sqlstate_of(error)) or AWAY, error.__cause__
    except Exception as error:  # whatever it is, the database did not do what was asked
        return find_fault(sqlstate_of(error)) or AWAY, error


async def _write(name: str, connection: Connection) -> Fault | None:
    asked_at = time.time()
    row = (await connection.execute(_ASK_READ_ONLY)).one()
    answered_at = time.time()
    if answered_at - asked_at < SURE_SECONDS:
        SKEW.labels(name).set((asked_at + answered_at) / 2 - float(row.now))
    if row.is_read_only:
        return find_fault(READ_ONLY)
    await connection.execute(_LITTLE_MEMORY)
    await connection.execute(_WRITE)
    return None
