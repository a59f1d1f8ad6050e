"""Which rows have changed since a mark. The audit reads these, and leaves alone what is settled and unchanged.

| piece | what |
|---|---|
| `changed`, a column of each audited row | the transaction that wrote the row last (PostgreSQL: pg_current_xact_id) |
| `deleted_row`, a table | what was deleted of them, by an id under which the audit finds the rest |
| a mark | the oldest transaction that was under way when a list began, and which database it was |

A transaction older than the mark had ended when the list began: the list has its rows. The next list has those of every
other one, however late it commits. Clocks play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from mesh.database import Database
from mesh.errors import BadInput
from mesh.statements import Statement, text

MOST_IDS = 1000
#: Before the first key of a table, whatever the type of its keys.
_FIRST = {"uuid": str(UUID(int=0)), "text": "", "bigint": "0"}
_KEYS: Mapping[str, Callable[[str], object]] = {"uuid": UUID, "text": str, "bigint": int}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A stamped table. `about` is an SQL array of the ids, as text, under which the audit finds what belongs to a row."""

    table: str
    about: str
    key: str = "id"
    key_type: str = "uuid"


DELETED = Stamped("deleted_row", "array[about]", "seq", "bigint")


def list_statements(*tables: Stamped) -> dict[str, Statement]:
    """A statement per table that lists the changed rows behind (:changed, :key), in the order of their stamps."""
    return {each.table: text(_list_statement(each)) for each in tables}


def _list_statement(each: Stamped) -> str:
    return f"""
        select cast(changed as text) as changed, cast({each.key} as text) as key, {each.about} as about
        from {each.table}
        where (changed, {each.key})
            > (cast(cast(:changed as text) as xid8), cast(cast(:key as text) as {each.key_type}))
        order by changed, {each.key} limit :most
    """  # noqa: S608 - constants only


# Which database it is, and its oldest transaction under way. The first part differs after a failover, after a restore
# of the server to an earlier time, and after a table was restored, emptied or written anew: stamps mean nothing then.
_MARK = text("""
    select md5(concat_ws('/', server.system_identifier, kept.timeline_id,
            (select oid from pg_database where datname = current_database()), (
            select string_agg(cast(pg_relation_filenode(cast(name as regclass)) as text), '/' order by place)
            from unnest(cast(:tables as text[])) with ordinality as named (name, place)))) as database,
        cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint) as oldest
    from pg_control_system() as server, pg_control_checkpoint() as kept
""")


@dataclass(frozen=True, slots=True)
class ChangedIds:
    """A page. `mark` is told on the first one. After `is_mark_lost`, everything has to be read."""

    ids: list[str]
    next_page_token: str = ""
    mark: str = ""
    is_mark_lost: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a list has come: behind this row of this table. `since` is where every table begins."""

    table: str
    changed: str
    key: str
    since: str

    def __str__(self) -> str:
        return "|".join((self.table, self.changed, self.key, self.since))


class RowStamps:
    """Lists the ids that the changed rows of some tables are about."""

    def __init__(self, database: Database, tables: Sequence[Stamped], statements: Mapping[str, Statement]) -> None:
        """`statements`: what `list_statements` gives for these tables."""
        self._database, self._statements = database, statements
        self._tables = {each.table: each for each in tables}

    async def list_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """A page of the ids that rows are about which have changed since the mark. An id may come again.

        Without a mark there are none: only the mark of now is told. Raises BadInput.
        """
        if token:
            return await self._read_page(self._parse(token), most)
        now = await self._read_mark()
        if not mark:
            return ChangedIds([], mark=now)
        if not _is_later(now, mark):
            return ChangedIds([], mark=now, is_mark_lost=True)
        oldest = mark.partition(":")[2]
        return replace(await self._read_page(self._start_of(next(iter(self._tables)), oldest), most), mark=now)

    async def _read_mark(self) -> str:
        (row,) = await self._database.rows(_MARK, {"tables": list(self._tables)})
        return f"{row.database}:{row.oldest}"

    async def _read_page(self, place: _Place, most: int) -> ChangedIds:
        """At most so many rows of the table at this place; an empty page when that has no more, and others follow."""
        values = {"changed": place.changed, "key": place.key, "most": most}
        rows = await self._database.rows(self._statements[place.table], values)
        ids = list(dict.fromkeys(name for row in rows for name in row.about if name))
        if len(rows) == most:
            return ChangedIds(ids, str(_Place(place.table, rows[-1].changed, rows[-1].key, place.since)))
        names = list(self._tables)
        following = names[names.index(place.table) + 1 :]
        return ChangedIds(ids, str(self._start_of(following[0], place.since)) if following else "")

    def _start_of(self, table: str, since: str) -> _Place:
        return _Place(table, since, _FIRST[self._tables[table].key_type], since)

    def _parse(self, token: str) -> _Place:
        try:
            table, changed, key, since = token.split("|")
            _KEYS[self._tables[table].key_type](key)
            return _Place(table, str(int(changed)), key, str(int(since)))
        except (KeyError, ValueError):
            raise BadInput("not a token of this list", field="page_token") from None


def _is_later(now: str, mark: str) -> bool:
    """True when a mark is of the same database as the mark of now, and not of its future."""
    (database, _, oldest), (marked, _, since) = now.partition(":"), mark.partition(":")
    return database == marked and since.isdecimal() and int(since) <= int(oldest)
