"""What the errors of a database mean, and what was last wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mesh.logs import log

#: How long a fault that a statement has met counts, when no other statement meets it again.
COUNTS_SECONDS = 10.0
#: A fault that lasts is logged again after so many seconds.
REPEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a database cannot serve now. `cause` is a word for logs and alerts, `words` are what its user is told."""

    cause: str
    words: str
    #: A write fails, and a read may succeed.
    is_of_writes: bool = True


AWAY = Fault("away", "the database is away", is_of_writes=False)
#: By prefixes of SQLSTATEs, the first that fits (PostgreSQL manual, appendix A). 57P: the server stops or starts. 55000: a
#: database that accepts no connections now (alter database … allow_connections false). 25006: a standby, or a server
#: that was told to take no writes.
_FAULTS = {
    "53100": Fault("disk_full", "the database's disk is full"),
    "53200": Fault("out_of_memory", "the database is out of memory", is_of_writes=False),
    "53300": Fault("too_many_connections", "the database takes no more connections", is_of_writes=False),
    "53": Fault("out_of_resources", "the database has reached a limit of its own"),
    "25006": Fault("read_only", "the database takes no writes"),
    "58": Fault("disk_error", "the database cannot use its disk"),
    "28": Fault("login_refused", AWAY.words, is_of_writes=False),
    "3D000": Fault("no_such_database", AWAY.words, is_of_writes=False),
    "08": AWAY,
    "57P": AWAY,
    "55000": AWAY,
}


def find_fault(sqlstate: str) -> Fault | None:
    """The fault that an SQLSTATE tells of; None for an error of the statement."""
    return next((fault for prefix, fault in _FAULTS.items() if sqlstate.startswith(prefix)), None)


class Faults:
    """What was last wrong with one database. An alert is logged for each cause, and again each minute while it lasts.

    A server that is away is no alert of a statement's: a connection that was lost is replaced by the next statement. The
    watch (mesh.database_watch) says whether the server is away.
    """

    #: Whether the transactions that fail are counted for operators.
    are_counted = True

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._seen: tuple[Fault, float] | None = None
        self._logged_at: dict[str, float] = {}

    @property
    def current(self) -> Fault | None:
        """The fault that a statement has met in the last seconds."""
        if self._seen is None or self._clock() - self._seen[1] > COUNTS_SECONDS:
            return None
        return self._seen[0]

    def note(self, fault: Fault, error: BaseException) -> None:
        """A statement has met this fault."""
        if fault is not AWAY:
            self._seen = fault, self._clock()
            self.alert(fault, error)

    def alert(self, fault: Fault, error: BaseException | None = None) -> None:
        """Log the fault with its cause, at most once a minute. The server's own words are in the line."""
        last = self._logged_at.get(fault.cause)
        if last is None or self._clock() - last >= REPEAT_SECONDS:
            self._logged_at[fault.cause] = self._clock()
            told = {"sqlstate": sqlstate_of(error), "error": _first_line(error)} if error else {}
            log().error("database_unwell", alert=True, database=self._name, cause=fault.cause, **told)

    def end(self) -> None:
        """The database serves again: the next fault is logged at once."""
        self._logged_at.clear()


class Unnoted(Faults):
    """For a probe, whose errors its watch judges."""

    are_counted = False

    def note(self, fault: Fault, error: BaseException) -> None:
        """Nothing is noted."""


def sqlstate_of(error: BaseException | None) -> str:
    """The SQLSTATE of an error of asyncpg or SQLAlchemy, or of what it was raised from; empty when there is none."""
    seen = 0
    while error is not None and seen < 5:
        state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
        if isinstance(state, str):
            return state
        error, seen = error.__cause__, seen + 1
    return ""


def _first_line(error: BaseException) -> str:
    """The first line of an error's words. Further lines can hold values of the statement."""
    words = str(getattr(error, "orig", None) or error).splitlines()
    return (words[0] if words else type(error).__name__)[:300]
