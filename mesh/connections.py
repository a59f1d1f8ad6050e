"""Connections of asyncpg's in a bounded pool, and the statements that run on them.

Statements are constants (mesh.statements), which asyncpg keeps prepared. Nothing else stands between: a layer that is asked
at each statement costs four times what the driver needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

from mesh.statements import Statement
from mesh.tracing.statements import statement_span, work_span

#: How long a connection may take to say goodbye.
GOODBYE_SECONDS = 2.0
_NOTHING: Mapping[str, Any] = {}


class Row(asyncpg.Record):  # type: ignore[misc]  # asyncpg has no types
    """A row, whose columns are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Rows(list[Row]):
    """The rows of a statement; none of one that returns nothing."""

    def all(self) -> list[Row]:
        return self

    def first(self) -> Row | None:
        return self[0] if self else None

    def one(self) -> Row:
        """The only row. Raises ValueError unless there is exactly one."""
        (row,) = self
        return row

    def one_or_none(self) -> Row | None:
        """The only row. Raises ValueError when there are several."""
        return self.one() if self else None

    def scalar_one(self) -> Any:
        """The first value of the only row."""
        return self.one()[0]


class NoConnectionFree(Exception):
    """Every connection of the pool was in use for too long."""


class Connection:
    """A connection that somebody has taken from the pool. `generation`: see Pool.renew.

    A `transaction` begins with its first statement: what is cut before that costs its work nothing.
    """

    def __init__(self, raw: asyncpg.Connection, name: str, generation: int) -> None:
        self.raw, self.generation, self._name = raw, generation, name
        self.transaction: Transaction | None = None
        self.has_begun = False

    async def execute(self, statement: Statement, values: Mapping[str, Any] = _NOTHING) -> Rows:
        """Run a statement, and return its rows. Raises what asyncpg raises."""
        given = [values[name] for name in statement.names]
        if self.transaction is not None and not self.has_begun:
            with statement_span("BEGIN", self._name):
                await self.transaction.start()
            self.has_begun = True
        with statement_span(statement.sql, self._name):
            return Rows(await self.raw.fetch(statement.sql, *given, record_class=Row))

    async def commit(self) -> None:
        """Commit what has begun. A connection that does not say whether it has is closed."""
        if self.transaction is None or not self.has_begun:
            return
        try:
            with statement_span("COMMIT", self._name):
                await self.transaction.commit()
        except asyncpg.PostgresError:  # the server says that it has not committed
            raise
        except BaseException:
            self.terminate()
            raise

    async def roll_back(self) -> None:
        """Take back what has begun. A connection that cannot do it is closed: the server then rolls back."""
        if self.transaction is None or not self.has_begun or self.raw.is_closed():
            return
        try:
            with statement_span("ROLLBACK", self._name):
                await self.transaction.rollback()
        except BaseException:
            self.terminate()

    def terminate(self) -> None:
        """End it now: nobody else gets it."""
        self.raw.terminate()


class Pool:
    """At most `size` connections. The one that was given back last is taken first. JSON is given as text, and read decoded.

    A connection that the server has closed is noticed when it is taken, and replaced.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], name: str, size: int, wait_seconds: float
    ) -> None:
        self.size, self.wait_seconds = size, wait_seconds
        self.idle, self.taken = list[Connection](), 0
        self._connect, self._name = connect, name
        self._free, self._generation = asyncio.Semaphore(size), 0

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """Within, the connection is this user's alone. Each statement is its own transaction."""
        connection = await self._take()
        try:
            yield connection
        except Exception:
            raise
        except BaseException:  # a query that is cancelled may still be under way
            connection.terminate()
            raise
        finally:
            self._give_back(connection)

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """Within, all statements are one transaction. An exception rolls it back."""
        async with self.lend() as connection:
            connection.transaction, connection.has_begun = connection.raw.transaction(), False
            try:
                yield connection
            except BaseException:
                await connection.roll_back()
                raise
            else:
                await connection.commit()
            finally:
                connection.transaction = None

    async def _take(self) -> Connection:
        """A connection that is open. Raises NoConnectionFree, and what asyncpg raises when it connects."""
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()
        self.taken += 1
        try:
            while self.idle:
                connection = self.idle.pop()
                if not connection.raw.is_closed():
                    return connection
            generation = self._generation
            return Connection(await self._open(), self._name, generation)
        except BaseException:
            self._release()
            raise

    def _give_back(self, connection: Connection) -> None:
        """End the use of a connection. One whose state is not known is closed."""
        raw = connection.raw
        if not raw.is_closed():
            if raw.is_in_transaction() or connection.generation < self._generation:
                connection.terminate()
            else:
                self.idle.append(connection)
        self._release()

    def renew(self) -> None:
        """Use none of these connections again: a migration has changed what their prepared statements return."""
        self._generation += 1
        while self.idle:
            self.idle.pop().terminate()

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self.idle:
            with contextlib.suppress(Exception):  # the server is away: it is closed all the same
                await self.idle.pop().raw.close(timeout=GOODBYE_SECONDS)

    async def _open(self) -> asyncpg.Connection:
        with work_span("connect", self._name):
            raw = await self._connect()
        try:
            for kind in ("json", "jsonb"):
                await raw.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=json.loads)
        except BaseException:
            raw.terminate()
            raise
        return raw

    async def _wait(self) -> None:
        try:
            with work_span("wait for a connection", self._name):
                async with asyncio.timeout(self.wait_seconds):
                    await self._free.acquire()
        except TimeoutError:
            raise NoConnectionFree from None

    def _release(self) -> None:
        self.taken -= 1
        self._free.release()
