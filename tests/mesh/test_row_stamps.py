"""What has changed since a mark is listed, whatever commits late; what has not is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from learning_svc.store.enrollments import CHANGED, STAMPED
from mesh.database import Database
from mesh.errors import BadInput
from mesh.row_stamps import RowStamps
from tests.people import wait_until

INSERT = "insert into course (id, instructor_id, title, price_minor, currency) values ($1, $1, 'Maths', 0, 'USD')"
RENAME = "update course set title = 'Art' where id = $1"
IS_BEHIND_ALL = """
    select pg_snapshot_xmin(pg_current_snapshot()) > all (
        select changed from course union all select changed from enrollment union all select changed from deleted_row)
"""
ENROLL = """insert into enrollment (id, saga_id, status) values ($1, $2, 'CANCELLED')"""


@dataclass
class Town:
    """A database with stamped tables, and a way to get further connections of its owner."""

    url: str
    stamps: RowStamps
    sql: asyncpg.Connection

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.url)

    async def insert(self, by: Any = None) -> str:
        """A new course, inserted by this connection."""
        course = uuid4()
        await (by or self.sql).execute(INSERT, course)
        return str(course)

    async def mark(self) -> str:
        return (await self.stamps.list_ids("", "", 10)).mark

    async def mark_behind_all(self) -> str:
        """The mark of now, once no transaction of anybody's on the server is older than what this database holds."""
        await wait_until(lambda: self.sql.fetchval(IS_BEHIND_ALL), bool)
        return await self.mark()

    async def changed(self, mark: str, most: int = 1000) -> tuple[set[str], str]:
        """The ids since a mark, in pages of so many rows, and the mark of now."""
        page = await self.stamps.list_ids(mark, "", most)
        assert not page.is_mark_lost
        ids, now = set(page.ids), page.mark
        while page.next_page_token:
            page = await self.stamps.list_ids(mark, page.next_page_token, most)
            ids |= set(page.ids)
        return ids, now


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(make_database) -> AsyncIterator[Town]:
    url = await make_database("learning_svc")
    async with Database(url, name="learning") as database:
        sql = await asyncpg.connect(url.replace("+asyncpg", ""))
        yield Town(url.replace("+asyncpg", ""), RowStamps(database, STAMPED, CHANGED), sql)
        await sql.close()


async def test_what_has_not_changed_since_the_mark_is_not_listed(town: Town) -> None:
    settled = await town.insert()
    mark = await town.mark_behind_all()
    inserted, other = await town.insert(), await town.insert()
    assert (await town.changed(mark))[0] == {inserted, other}
    mark = await town.mark_behind_all()
    assert (await town.changed(mark))[0] == set()
    await town.sql.execute(RENAME, UUID(settled))
    assert (await town.changed(mark))[0] == {settled}


async def test_a_transaction_that_commits_after_the_list_is_in_the_next_one(town: Town) -> None:
    mark = await town.mark_behind_all()
    late = await town.connect()
    under_way = late.transaction()
    await under_way.start()
    slow = await town.insert(late)
    async with late.transaction():  # a savepoint: its rows are the whole transaction's
        slower = await town.insert(late)
    quick = await town.insert()
    found, now = await town.changed(mark)
    assert found == {quick}
    await under_way.commit()
    await late.close()
    assert {slow, slower} <= (await town.changed(now))[0]
    assert (await town.changed(await town.mark_behind_all()))[0] == set()


async def test_a_transaction_that_has_written_nothing_yet_is_in_the_next_list(town: Town) -> None:
    late = await town.connect()
    under_way = late.transaction(isolation="repeatable_read")
    await under_way.start()
    await late.fetch("select from course")  # it has its snapshot, and no id yet
    mark = await town.mark_behind_all()
    slow = await town.insert(late)
    _, now = await town.changed(mark)
    await under_way.commit()
    await late.close()
    assert (await town.changed(now))[0] == {slow}


async def test_a_session_that_skips_triggers_is_seen_too(town: Town) -> None:
    course = await town.insert()
    mark = await town.mark_behind_all()
    await town.sql.execute("set session_replication_role = replica")
    await town.sql.execute(RENAME, UUID(course))
    await town.sql.execute("reset session_replication_role")
    assert (await town.changed(mark))[0] == {course}


async def test_a_deleted_row_is_listed_under_its_saga(town: Town) -> None:
    enrollment, saga = uuid4(), uuid4()
    await town.sql.execute(ENROLL, enrollment, saga)
    mark = await town.mark_behind_all()
    await town.sql.execute("delete from enrollment where id = $1", enrollment)
    assert (await town.changed(mark))[0] == {str(saga)}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_any_size_list_every_row_once(town: Town, size: int) -> None:
    mark = await town.mark_behind_all()
    async with town.sql.transaction():  # one stamp for all of them
        courses = {await town.insert() for _ in range(3)}
    courses |= {await town.insert() for _ in range(2)}
    saga = uuid4()
    await town.sql.execute(ENROLL, uuid4(), saga)
    assert (await town.changed(mark, size))[0] == courses | {str(saga)}


async def test_a_mark_of_another_database_is_lost(town: Town, make_database) -> None:
    mark = await town.mark_behind_all()
    async with Database(await make_database("learning_svc"), name="learning") as other:
        assert (await RowStamps(other, STAMPED, CHANGED).list_ids(mark, "", 10)).is_mark_lost


@pytest.mark.parametrize(
    "restore",
    [
        "create table kept as table enrollment; truncate enrollment; insert into enrollment table kept; drop table kept",
        "vacuum full enrollment",
    ],
)
async def test_a_mark_from_before_a_table_was_restored_is_lost(town: Town, restore: str) -> None:
    mark = await town.mark_behind_all()
    await town.sql.execute(restore)
    page = await town.stamps.list_ids(mark, "", 10)
    assert (page.is_mark_lost, page.ids) == (True, [])
    assert not (await town.stamps.list_ids(page.mark, "", 10)).is_mark_lost


async def test_a_mark_from_the_future_is_lost(town: Town) -> None:
    """A server that was restored to an earlier time counts its transactions from there again."""
    database, _, oldest = (await town.mark_behind_all()).partition(":")
    assert (await town.stamps.list_ids(f"{database}:{int(oldest) + 1000}", "", 10)).is_mark_lost
    assert (await town.stamps.list_ids("nonsense", "", 10)).is_mark_lost


@pytest.mark.parametrize("token", ["x", "course|1|2", "nothing|1|2|3", "course|a|b|c", "course|1|2|-3"])
async def test_a_token_of_no_page_is_refused(town: Town, token: str) -> None:
    with pytest.raises(BadInput):
        await town.stamps.list_ids(await town.mark_behind_all(), token, 10)
