"""The queue of webhook deliveries that are owed. It is kept in the store, so that a restart loses none."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from devkit.sandbox.store import Store
from devkit.sandbox.wire.errors import ApiError, Json

MODES = ("normal", "paused", "duplicate", "reverse", "drop")
REVERSE_WINDOW = 1.0
FIRST_RETRY, LONGEST_RETRY = 0.5, 5.0
#: The column `lane` names a delivery's queue.
_COLUMNS = "seq, event, attempt, lane"
#: True for a delivery that the mode allows.
_SENDABLE = "(forced = 1 or not exists (select 1 from setting where name = 'mode' and value in ('paused', 'drop')))"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One owed POST of one event. The queue "reverse" is sent last first, the queue "" in order."""

    seq: int
    event: str
    attempt: int
    queue: str


class Outbox:
    """The owed deliveries, and the mode in which they are sent. `has_url` is false without a receiver.

    `enabled` are the types of events that the receiver has asked for, as those of a webhook endpoint; "*" is all (Stripe:
    webhook endpoints, `enabled_events`). `changed` is set when deliveries may have become due.
    """

    def __init__(self, store: Store, *, has_url: bool, enabled: frozenset[str]) -> None:
        self._store = store
        self._has_url, self._enabled = has_url, enabled
        self.changed = asyncio.Event()

    @property
    def mode(self) -> str:
        return self._setting("mode", "normal")

    @property
    def delay_ms(self) -> int:
        return int(self._setting("delay_ms", "0"))

    def is_sent(self, kind: str) -> bool:
        """True when an event of this type and moment will be delivered."""
        is_enabled = "*" in self._enabled or kind in self._enabled
        return self._has_url and is_enabled and self.mode != "drop"

    def enqueue(self, event: str) -> None:
        """Queue the deliveries of an event as the mode says. Call it only when `is_sent`."""
        mode, due = self.mode, time.time() + self.delay_ms / 1000
        queue = "reverse" if mode == "reverse" else ""
        if queue:
            due = self._window_end() or due + REVERSE_WINDOW
        for _ in range(2 if mode == "duplicate" else 1):
            self._store.execute("insert into outbox (event, due, lane) values (?, ?, ?)", (event, due, queue))
        self.changed.set()

    def redeliver(self, event: str) -> None:
        """Queue the event once more, due now, in every mode. Raises ApiError."""
        if not self._has_url:
            raise ApiError("There is no webhook URL to deliver to.")
        if self._store.find("event", event) is None:
            raise ApiError(f"No such event: '{event}'", status=404, code="resource_missing", param="event")
        self._store.execute("insert into outbox (event, due, forced) values (?, ?, 1)", (event, time.time()))
        self.changed.set()

    def switch(self, mode: str, delay_ms: int) -> None:
        """Change how events are delivered. Leaving `paused` sends what waited; `drop` forgets what was owed."""
        before = self.mode
        with self._store.transaction():
            self._set("mode", mode)
            self._set("delay_ms", str(delay_ms))
            if mode == "drop":
                self._store.execute("delete from outbox where forced = 0")
            elif before == "paused" and mode != "paused":
                self._flush(mode)
        self.changed.set()

    def due(self, now: float, queue: str, limit: int = -1) -> list[Delivery]:
        """The deliveries of a queue that are due by `now`, oldest first. Limit -1 means that there is none."""
        condition = f"due <= ? and lane = ? and {_SENDABLE}"
        sql = f"select {_COLUMNS} from outbox where {condition} order by seq limit ?"  # noqa: S608 - it is ours
        return [Delivery(*row) for row in self._store.execute(sql, (now, queue, limit))]

    def next_due(self, now: float) -> float | None:
        """The next instant after `now` at which a delivery becomes due; None when there is none."""
        sql = f"select min(due) from outbox where due > ? and {_SENDABLE}"  # noqa: S608 - conditions are ours
        due: float | None = self._store.execute(sql, (now,)).fetchone()[0]
        return due

    def is_owed(self, delivery: Delivery) -> bool:
        """True when this delivery is still queued and the mode allows it."""
        sql = f"select 1 from outbox where seq = ? and {_SENDABLE}"  # noqa: S608 - conditions are ours
        return self._store.execute(sql, (delivery.seq,)).fetchone() is not None

    def finish(self, delivery: Delivery, status: int) -> None:
        """Record an attempt by its HTTP status, 0 for no answer. Without a 2xx the delivery is tried again later."""
        with self._store.transaction():
            if self._store.execute("select 1 from outbox where seq = ?", (delivery.seq,)).fetchone() is None:
                return  # a test cleared the sandbox meanwhile
            sql = "insert into attempt (event, status, at) values (?, ?, ?)"
            self._store.execute(sql, (delivery.event, status, round(time.time(), 3)))
            if 200 <= status < 300:
                self._complete(delivery)
            else:
                wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(delivery.attempt, 10))
                retry = "update outbox set attempt = attempt + 1, due = ?, lane = '' where seq = ?"
                self._store.execute(retry, (time.time() + wait, delivery.seq))

    def attempts(self) -> list[Json]:
        """Every attempt so far, oldest first. `at` is in Unix seconds."""
        rows = self._store.execute("select event, status, at from attempt order by seq")
        return [{"event": event, "status": status, "at": at} for event, status, at in rows]

    def length(self) -> int:
        return int(self._store.execute("select count(*) from outbox").fetchone()[0])

    def _window_end(self) -> float | None:
        sql = "select max(due) from outbox where lane = 'reverse' and due > ?"
        due: float | None = self._store.execute(sql, (time.time(),)).fetchone()[0]
        return due

    def _flush(self, mode: str) -> None:
        queue, wait = ("reverse", REVERSE_WINDOW) if mode == "reverse" else ("", 0.0)
        self._store.execute("update outbox set due = ?, lane = ? where forced = 0", (time.time() + wait, queue))
        if mode == "duplicate":
            self._store.execute("insert into outbox (event, due) select event, due from outbox where forced = 0")

    def _complete(self, delivery: Delivery) -> None:
        self._store.execute("delete from outbox where seq = ?", (delivery.seq,))
        if self._store.execute("select 1 from outbox where event = ?", (delivery.event,)).fetchone() is None:
            self._store.set_field(delivery.event, "pending_webhooks", 0)

    def _setting(self, name: str, default: str) -> str:
        row = self._store.execute("select value from setting where name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def _set(self, name: str, value: str) -> None:
        self._store.execute("insert or replace into setting values (?, ?)", (name, value))
