"""Every connection to PostgreSQL is made here, from one URL (mesh.database_urls): the pool's, LISTEN's, the migrations'.

Behind a pooler in transaction mode (PgBouncer) another session of the server may answer after each transaction. So no
statement is kept prepared, and each transaction sets its own time limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import asyncpg
from asyncpg.transaction import Transaction

from mesh.database_urls import driver_url, list_hosts

Pooler = Literal["none", "transaction"]

#: How long a new connection may take, all hosts of the URL together.
CONNECT_SECONDS = 3.0
#: Settings of every connection of every service; times in milliseconds.
SERVER_SETTINGS = {
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
    "timezone": "UTC",
    "jit": "off",
    # A prepared statement is planned once. PostgreSQL would plan most of ours anew for each call, which costs more than
    # to run them.
    "plan_cache_mode": "force_generic_plan",
}
#: What PgBouncer passes on to the server when a client connects. It refuses a client that brings other settings.
_CARRIED = frozenset({"timezone"})
#: Why another host of the URL is tried: this one is away, starts, or takes no writes.
_ELSEWHERE = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TargetServerAttributeNotMatched,
)


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection through a pooler in transaction mode. Each transaction brings the settings of this client."""

    def transaction(self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False) -> Transaction:
        return _LimitedTransaction(self, isolation, readonly, deferrable)


class _LimitedTransaction(Transaction):  # type: ignore[misc]
    """Begins with the time limits: the session may have been another client's until now."""

    async def start(self) -> None:
        await super().start()
        try:
            await self._connection.execute(_LIMITS)
        except BaseException:  # it has begun, and nobody would end it
            self._connection.terminate()
            raise


_LIMITS = "; ".join(f"set local {name} = '{value}'" for name, value in SERVER_SETTINGS.items() if name not in _CARRIED)


class Connector:
    """Makes connections to one database. `name` is what the server calls them.

    Of several hosts in the URL it begins with the one that answered last, so that a dead one costs its time once.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        pooler: Pooler = "none",
        settings: Mapping[str, str] = SERVER_SETTINGS,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float | None = None,
    ) -> None:
        self.is_pooled = pooler == "transaction"
        self._dsn, self._hosts = driver_url(url), list_hosts(url)
        self._seconds, self._answered = connect_seconds, 0
        carried = {key: value for key, value in settings.items() if not self.is_pooled or key in _CARRIED}
        self._arguments: dict[str, Any] = {
            "command_timeout": answer_seconds,
            "server_settings": carried | {"application_name": name},
        }
        if self.is_pooled:
            self._arguments |= {"statement_cache_size": 0, "connection_class": PooledConnection}

    async def connect(self) -> asyncpg.Connection:
        """A new connection. Raises what asyncpg raises: OSError, TimeoutError, PostgresError, InterfaceError."""
        if len(self._hosts) < 2:
            return await asyncpg.connect(self._dsn, timeout=self._seconds, **self._arguments)
        failure: Exception | None = None
        for step in range(len(self._hosts)):
            at = (self._answered + step) % len(self._hosts)
            try:
                connection = await self._connect_to(at)
            except _ELSEWHERE as error:
                failure = failure or error
                continue
            self._answered = at
            return connection
        assert failure is not None
        raise failure

    async def _connect_to(self, at: int) -> asyncpg.Connection:
        (host, port), seconds = self._hosts[at], self._seconds / len(self._hosts)
        return await asyncpg.connect(self._dsn, host=host, port=port, timeout=seconds, **self._arguments)
