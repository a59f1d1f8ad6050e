"""What an audit has read, on disk: memory holds one batch of purchases at a time, however many there are.

The lists come page by page, each in an order of its own. Here their records meet: two records belong together when they name
the same id. A batch is what belongs to some records, as a snapshot; so each purchase is looked at as a whole.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any

from ops.audit.invariants import INVARIANTS
from ops.audit.invariants.overbooking import find_overbooking
from ops.audit.records import PARKED, Booking, Claim, Course, Enrollment, Intent, Payment, Saga, Session
from ops.audit.snapshot import Breach, OpenMatter, Snapshot

Record = Saga | Claim | Booking | Session | Payment | Intent | Course | Enrollment
#: Records that begin a batch. What belongs to them comes along.
BATCH = 1000
#: The field of a snapshot that has the records of a type.
FIELDS: dict[type[Record], str] = {
    Saga: "sagas",
    Claim: "claims",
    Booking: "bookings",
    Session: "sessions",
    Payment: "payments",
    Intent: "intents",
    Course: "courses",
    Enrollment: "enrollments",
}
#: What every course and every calendar has: rows that need not come with a purchase.
_BY_PLACE: dict[type[Record], Callable[[Any], str]] = {
    Claim: lambda claim: claim.calendar_id,
    Course: lambda course: course.id,
}
_SCHEMA = """
create table record (id integer primary key, place text, body blob not null);
create table named (token integer not null, record integer not null);
create table seen (record integer primary key);
create table read_before (name text primary key, record integer not null) without rowid;
create table followed (token text primary key, is_asked integer not null default 0) without rowid;
create index followed_next on followed (is_asked, token) where not is_asked;
"""
# They are built when everything is read, at once: one by one, tokens that come in no order would cost several times as much.
_INDEXES = """
create index if not exists record_place on record (place, id) where place <> '';
create index if not exists named_token on named (token, record);
"""
_NEXT_FOLLOWED = """
update followed set is_asked = 1 where token in (
    select token from followed where not is_asked order by token limit ?) returning token
"""
_UNSEEN = "select id from record where id > ? and id not in (select record from seen) order by id limit ?"
_LOAD, _NAMING = "select id, body from record where id in", "select record from named where token in"
#: The tokens and records that one statement of SQLite may name.
_MOST_NAMED = 500


class Spool:
    """All records of one look, in a file that nobody else sees and that goes with it. `taken_at` is when it began."""

    def __init__(self, taken_at: datetime, *, follows: bool = False) -> None:
        """`follows`: it is filled by `take_unasked`, which lets a record come again; else each comes once."""
        self.taken_at, self._follows = taken_at, follows
        self._file = sqlite3.connect("")  # SQLite: an empty name is a temporary file
        self._file.executescript("pragma journal_mode = off; pragma synchronous = off;" + _SCHEMA)
        self._counted = Counter(dict.fromkeys((*FIELDS.values(), "refunds"), 0))
        self._waiting: dict[str, OpenMatter] = {}
        self._rows = 0

    def close(self) -> None:
        self._file.close()

    def add(self, records: Iterable[Record]) -> None:
        """Keep a page of records. What belongs to them is to follow."""
        page = list(records)
        self.add_alone(page)
        if self._follows:
            self.follow(token for record in page for token in _ids(record))

    def add_alone(self, records: Iterable[Record]) -> None:
        """Keep records of which only they themselves are looked at."""
        rows, named = [], []
        for record in records:
            self._note(record)
            row, place_of = self._row_of(record), _BY_PLACE.get(type(record))
            rows.append((row, place_of(record) if place_of else "", pickle.dumps(record)))
            named += [(_hashed(token), row) for token in set(_ids(record)) if token]
        self._file.executemany("insert or replace into record (id, place, body) values (?, ?, ?)", rows)
        self._file.executemany("insert into named values (?, ?)", named)

    def follow(self, tokens: Iterable[str]) -> None:
        """Note ids: what belongs to them is to be read."""
        self._file.executemany(
            "insert or ignore into followed (token) values (?)", ((each,) for each in tokens if each)
        )

    def take_unasked(self, most: int) -> list[str]:
        """At most so many ids that were noted and not taken yet."""
        return [token for (token,) in self._file.execute(_NEXT_FOLLOWED, (most,)).fetchall()]

    def _note(self, record: Record) -> None:
        """Keep in memory whether it waits for a person."""
        if isinstance(record, Saga):
            self._waiting.pop(record.id, None)
            if record.state == PARKED:
                self._waiting[record.id] = OpenMatter(record.id, record.kind, record.error)

    def _row_of(self, record: Record) -> int:
        """A new row; or that of an older reading of the record, whose place it takes."""
        if not self._follows:
            return self._take_row(record)
        name = f"{FIELDS[type(record)]} {record.id}"
        before = self._file.execute("select record from read_before where name = ?", (name,)).fetchone()
        if before is not None:
            return int(before[0])
        row = self._take_row(record)
        self._file.execute("insert into read_before values (?, ?)", (name, row))
        return row

    def _take_row(self, record: Record) -> int:
        self._count(record)
        self._rows += 1
        return self._rows

    def _count(self, record: Record) -> None:
        self._counted[FIELDS[type(record)]] += 1
        if isinstance(record, Intent):
            self._counted["refunds"] += len(record.refunds)

    @property
    def open_matters(self) -> tuple[OpenMatter, ...]:
        return tuple(self._waiting.values())

    def counts(self) -> dict[str, int]:
        """How many records there are of each kind."""
        return dict(self._counted)

    def find_breaches(self) -> list[Breach]:
        """Every breach, in the order of the invariants."""
        self._file.executescript(_INDEXES)
        found: dict[Breach, None] = {}
        for batch in self._places():
            found.update(dict.fromkeys(find_overbooking(batch)))
        for batch in self._purchases():
            for invariant in INVARIANTS.values():
                if invariant is not find_overbooking:
                    found.update(dict.fromkeys(invariant(batch)))
        order = list(INVARIANTS)
        return sorted(found, key=lambda breach: order.index(breach.invariant))

    def _places(self) -> Iterator[Snapshot]:
        """Each calendar with its claims, and each course; several of them at a time."""
        rows = self._file.execute("select place, body from record where place <> '' order by place, id")
        batch: list[Record] = []
        last = ""
        for place, body in rows:
            if place != last and len(batch) >= BATCH:
                yield self._snapshot(batch)
                batch = []
            last = place
            batch.append(pickle.loads(body))  # noqa: S301 - we have written it
        if batch:
            yield self._snapshot(batch)

    def _purchases(self) -> Iterator[Snapshot]:
        """Every record once, and with it all that belongs to it."""
        self._file.execute("delete from seen")
        last = 0
        while first := [row for (row,) in self._file.execute(_UNSEEN, (last, BATCH))]:
            last = first[-1]
            together = self._load_with_relatives(first)
            self._file.executemany("insert or ignore into seen values (?)", ((row,) for row in together))
            yield self._snapshot(record for _, record in sorted(together.items(), key=lambda item: item[0]))

    def _load_with_relatives(self, rows: Sequence[int]) -> dict[int, Record]:
        """These records, and all that name an id that one of them names, and so on."""
        found: dict[int, Record] = {}
        new, tokens = set(rows), set[int]()
        while new:
            loaded = {row: pickle.loads(body) for row, body in self._among(_LOAD, new)}  # noqa: S301 - we have written it
            found |= loaded
            more = {_hashed(token) for record in loaded.values() for token in _ids(record) if token} - tokens
            tokens |= more
            new = {row for (row,) in self._among(_NAMING, more)} - found.keys()
        return found

    def _among(self, select: str, values: Iterable[int]) -> Iterator[Any]:
        for some in _some_at_a_time(values):
            yield from self._file.execute(f"{select} ({', '.join('?' * len(some))})", some)

    def _snapshot(self, records: Iterable[Record]) -> Snapshot:
        kept: dict[str, list[Record]] = {name: [] for name in FIELDS.values()}
        for record in records:
            kept[FIELDS[type(record)]].append(record)
        return Snapshot(self.taken_at, **{name: tuple(records) for name, records in kept.items()})  # type: ignore[arg-type]


def _some_at_a_time(values: Iterable[int]) -> Iterator[Sequence[int]]:
    rest = iter(values)
    while some := list(islice(rest, _MOST_NAMED)):
        yield some


def _hashed(token: str) -> int:
    """A token as a number of SQLite's. Two that meet by chance put two purchases into one batch, and harm nothing."""
    return int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), signed=True)


def _ids(record: Record) -> Iterator[str]:
    """The ids by which invariants find one record from another: of purchases, not of people and courses."""
    match record:
        case Saga():
            yield from (
                record.id,
                record.sold_id,
                record.session_id,
                record.payment_id,
                record.intent_id,
                record.cancels,
            )
        case Claim():
            yield record.saga_id
        case Booking():
            yield from (record.id, record.saga_id)
        case Session():
            yield from (record.id, record.saga_id)
        case Enrollment():
            yield from (record.id, record.saga_id)
        case Payment():
            yield from (record.id, record.saga_id, record.intent_id, *(refund.intent_id for refund in record.refunds))
        case Intent():
            yield from (record.id, record.saga_id)
        case Course():
            return
