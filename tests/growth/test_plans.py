"""No statement of the services reads a whole table that grows.

Each statement is planned for values that are not known, on a database without rows, while PostgreSQL avoids scans of whole
tables where it can. What is left of them would be made on a full database too.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from mesh.statements import Statement

PACKAGES = ("availability_svc", "booking_svc", "learning_svc", "payment_svc", "session_svc")
#: Tables that do not grow with what is sold.
SMALL = frozenset({"saga_kind", "audit_mark"})
#: Partial indexes of what waits or lapses. They lose a row when its work is done, so that all of one may be read.
OF_WHAT_WAITS = frozenset(
    "saga_due saga_open_newest saga_waiting refund_open stripe_event_open notification_due notification_dead"
    " claim_held enrollment_waiting saga_parked stripe_event_oldest stripe_event_parked".split()
)
#: Statements that read an index in its order, and stop after a page.
PAGES_IN_ORDER = {
    "availability_svc.store.schedules._LISTED_FIRST": "schedule_listed",
    "payment_svc.store.operators._LISTS[('all', False)]": "saga_newest",
}
SETTINGS = ("plan_cache_mode = force_generic_plan", "enable_seqscan = off")
#: Statements that PostgreSQL does not plan.
UNPLANNED = re.compile(r"\s*set local ")


def statements(package: str) -> dict[str, str]:
    """The statements of a service by their names, in PostgreSQL's words."""
    found = {}
    for module in modules(package):
        for name, value in vars(module).items():
            named = value.items() if isinstance(value, dict) else [(None, value)]
            for key, statement in named:
                if isinstance(statement, Statement):
                    full = f"{module.__name__}.{name}" + ("" if key is None else f"[{key}]")
                    found[full] = statement.sql
    return {name: sql for name, sql in found.items() if not UNPLANNED.match(sql)}


def modules(package: str) -> Iterator[Any]:
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if "migrations" not in info.name and not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def unbounded_reads(name: str, plan: dict[str, Any]) -> Iterator[str]:
    """The parts of a plan that read more when a table grows."""
    for node in nodes(plan):
        kind, index = node["Node Type"], node.get("Index Name")
        if kind == "Seq Scan" and node["Relation Name"] not in SMALL:
            yield f"{name}: scans {node['Relation Name']} for {node.get('Filter', 'all rows')}"
        is_bounded = "Index Cond" in node or index in OF_WHAT_WAITS or PAGES_IN_ORDER.get(name) == index
        if index is not None and not is_bounded:
            yield f"{name}: reads all of {index} for {node.get('Filter', 'all rows')}"


async def plan(connection: asyncpg.Connection, sql: str) -> dict[str, Any]:
    count = len(set(re.findall(r"\$(\d+)", sql)))
    await connection.execute(f"prepare planned as {sql}")
    try:
        nulls = f"({', '.join(['null'] * count)})" if count else ""
        return dict(json.loads(await connection.fetchval(f"explain (format json) execute planned{nulls}"))[0]["Plan"])
    finally:
        await connection.execute("deallocate planned")


@pytest.mark.parametrize("package", PACKAGES)
async def test_no_statement_reads_more_when_tables_grow(package, make_database):
    connection = await asyncpg.connect((await make_database(package)).replace("+asyncpg", ""))
    try:
        for setting in SETTINGS:
            await connection.execute(f"set {setting}")
        found = statements(package)
        assert found
        wrong = [read for name, sql in found.items() for read in unbounded_reads(name, await plan(connection, sql))]
        assert wrong == [], "\n".join(wrong)
    finally:
        await connection.close()


async def test_a_statement_without_an_index_would_be_found(make_database):
    connection = await asyncpg.connect((await make_database("booking_svc")).replace("+asyncpg", ""))
    try:
        for setting in SETTINGS:
            await connection.execute(f"set {setting}")
        whole = await plan(connection, "select id from booking where end_reason = $1")
        rest = await plan(connection, "select id from booking where $1::uuid is null or id > $1 order by id limit 5")
        assert [*unbounded_reads("one", whole)] != [] != [*unbounded_reads("two", rest)]
    finally:
        await connection.close()
