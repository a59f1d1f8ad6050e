"""One PostgreSQL database: transactions with bounded retry, a refusal for each named constraint, short time limits.

Work runs shielded from the caller's cancellation, for two reasons. A task that is cancelled inside a transaction costs its
connection. And a saga must commit although its caller has left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg

from mesh.connections import Connection, NoConnectionFree, Pool, Row, Rows
from mesh.database_faults import AWAY, Fault, Faults, find_fault
from mesh.errors import Overloaded, Refusal, TryAgain
from mesh.metrics.database import FAILED
from mesh.postgres import Connector, Pooler
from mesh.statements import Statement, text

__all__ = ["Connection", "Database", "Row", "Rows", "Work", "is_caused_by_values", "retry_pause"]

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]

ATTEMPTS = 5
#: serialization_failure, deadlock_detected: the transaction must be run again (PostgreSQL manual, 13.5).
_RUN_AGAIN = frozenset({"40001", "40P01"})
#: lock_not_available, query_canceled, idle_in_transaction_session_timeout: a time limit of ours was exceeded.
_TOO_SLOW = frozenset({"55P03", "57014", "25P03"})
#: read_only_sql_transaction.
READ_ONLY = "25006"
#: Prefixes of the SQLSTATEs of values that do not fit: data exceptions, violated constraints, exceeded program limits.
_BAD_VALUES = ("22", "23", "54")
#: Where PostgreSQL begins to repeat the row that it refused.
_DETAIL = "\nDETAIL:"

#: The waits for a connection and for a lock end before the deadline of a saga's step (2.5 s), so that the step knows why.
POOL_TIMEOUT_SECONDS = 2.0
#: How long an answer of the server may take.
ANSWER_SECONDS = 8.0


class Database:
    """A bounded pool of connections. `violations` maps a constraint's name to the refusal that its violation raises.

    `faults` has what was last wrong with the server. `pooler` says what stands between (mesh.postgres).
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        violations: Mapping[str, type[Refusal]] | None = None,
        pool_size: int = 10,
        answer_seconds: float = ANSWER_SECONDS,
        faults: Faults | None = None,
        pooler: Pooler = "none",
    ) -> None:
        self.url, self.name, self.faults, self.pooler = url, name, faults or Faults(name), pooler
        connector = Connector(url, name, pooler=pooler, answer_seconds=answer_seconds)
        self.pool = Pool(connector.connect, name, pool_size, POOL_TIMEOUT_SECONDS)
        #: Behind a pooler only a transaction has the time limits.
        self._begin_statement = self.pool.begin if connector.is_pooled else self.pool.lend
        self._violations = dict(violations or {})
        self._under_way: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the work under way, then close every connection."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self.pool.close()

    async def transaction(self, work: Work[T]) -> T:
        """Run `work` in one transaction, and again after a serialization failure, a deadlock, or a migration.

        Raises the refusal of a violated constraint, TryAgain when the server is away or too slow, Overloaded when every
        connection is busy.
        """
        return await self._run_shielded(work, self.pool.begin)

    async def statement(self, work: Work[T]) -> T:
        """Run `work` in autocommit: each statement is its own transaction. For single statements and plain reads.

        Saves the round trips of BEGIN and COMMIT, where no pooler needs them. Raises what `transaction` raises.
        """
        return await self._run_shielded(work, self._begin_statement)

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> Rows:
        """Run one statement in autocommit, and return its rows. Raises what `transaction` raises."""
        return await self.statement(lambda connection: connection.execute(statement, values))

    async def ping(self) -> None:
        """Raises TryAgain when the database does not answer."""
        await self.statement(lambda connection: connection.execute(text("select 1")))

    async def _run_shielded(self, work: Work[T], begin: Callable[[], Any]) -> T:
        task = asyncio.ensure_future(self._run_with_retry(work, begin))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_read_the_outcome)
            raise

    async def _run_with_retry(self, work: Work[T], begin: Callable[[], Any]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                async with begin() as connection:
                    return await _run_within_time(work, connection)
            except asyncpg.PostgresError as error:
                if isinstance(error, asyncpg.InvalidCachedStatementError):
                    self.pool.renew()
                elif _sqlstate(error) not in _RUN_AGAIN:
                    _hide_values(error)
                    self._raise_refusal(error)
                    raise
                await asyncio.sleep(retry_pause(attempt))
            except NoConnectionFree as error:
                self._count_failure("no_connection_free")
                raise Overloaded from error
            except (OSError, TimeoutError, asyncpg.InternalClientError, asyncpg.InterfaceError) as error:
                raise self._note(AWAY, error) from error
        self._count_failure("too_many_at_once")
        raise TryAgain("too many at once")

    def _raise_refusal(self, error: asyncpg.PostgresError) -> None:
        """Raises the refusal that an error of the server means; nothing when it is a fault of the statement."""
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            if (refusal := self._violations.get(error.constraint_name or "")) is not None:
                raise refusal from error
            return
        state = _sqlstate(error)
        if (fault := find_fault(state)) is not None:
            raise self._note(fault, error) from error
        if state in _TOO_SLOW:
            self._count_failure("too_slow")
            raise TryAgain("the database is busy") from error

    def _count_failure(self, cause: str) -> None:
        if self.faults.are_counted:
            FAILED.labels(self.name, cause).inc()

    def _note(self, fault: Fault, error: Exception) -> TryAgain:
        self.faults.note(fault, error)
        self._count_failure(fault.cause)
        return TryAgain(fault.words)


async def _run_within_time(work: Work[T], connection: Connection) -> T:
    """Run the work, and close a connection that its next user should not get.

    Of a server that does not answer, the next user would wait unbounded. A server that takes no writes may have become
    the standby, and a new connection may find the other one.
    """
    try:
        return await work(connection)
    except (TimeoutError, asyncpg.PostgresError) as error:
        if isinstance(error, TimeoutError) or _sqlstate(error) == READ_ONLY:
            connection.terminate()
        raise


def retry_pause(attempt: int) -> float:
    """Seconds before the next attempt: full jitter, so that two transactions that collided do not collide again."""
    return random.uniform(0, 0.01 * 2**attempt)  # noqa: S311 - jitter is no secret


def is_caused_by_values(error: Exception) -> bool:
    """True when PostgreSQL refuses the values of a statement: a repeat with the same ones is refused as well."""
    return isinstance(error, asyncpg.PostgresError) and _sqlstate(error).startswith(_BAD_VALUES)


def _sqlstate(error: asyncpg.PostgresError) -> str:
    return error.sqlstate or ""


def _hide_values(error: BaseException | None) -> None:
    """Cut PostgreSQL's DETAIL off an error and its causes: it holds values, and errors are logged and stored."""
    while error is not None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error.args = tuple(one.partition(_DETAIL)[0] if isinstance(one, str) else one for one in error.args)
        error = error.__cause__


def _read_the_outcome(task: asyncio.Future[Any]) -> None:
    """Read a task's exception after its caller has left; asyncio reports one that nobody reads."""
    if not task.cancelled():
        task.exception()
