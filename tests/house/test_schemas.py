"""What the migrations build is what the tables say: to Alembic, and to PostgreSQL's own catalogue."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.house.conftest import ROOT

PACKAGES = sorted(path.parent.name for path in ROOT.glob("*_svc/tables.py"))
COLUMNS = """
select table_name, column_name, udt_name, is_nullable, column_default, is_generated
from information_schema.columns where table_schema = 'public'
"""
CONSTRAINTS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = 'public'::regnamespace and conrelid <> 0
"""
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'"


def tables_of(package: str) -> MetaData:
    metadata: MetaData = importlib.import_module(f"{package}.tables").metadata
    return metadata


async def on(url: str, work: Any) -> Any:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def catalogue(connection: Connection) -> dict[str, set[tuple[Any, ...]]]:
    """Every column, constraint and index as PostgreSQL itself would write it."""
    rows = {
        kind: {tuple(row) for row in connection.execute(text(query)) if row[0] != "alembic_version"}
        for kind, query in (("columns", COLUMNS), ("constraints", CONSTRAINTS), ("indexes", INDEXES))
    }
    assert rows["columns"]
    return rows


@pytest.mark.parametrize("package", PACKAGES)
async def test_alembic_sees_nothing_left_to_migrate(package, make_database):
    def differences(connection: Connection) -> Any:
        return compare_metadata(MigrationContext.configure(connection), tables_of(package))

    assert await on(await make_database(package), differences) == []


@pytest.mark.parametrize("package", PACKAGES)
async def test_postgresql_sees_the_same_tables_from_migrations_and_from_metadata(package, make_database):
    url = await make_database(package)

    def built_by_hand(connection: Connection) -> dict[str, set[tuple[Any, ...]]]:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
        connection.execute(text("create extension if not exists btree_gist"))
        tables_of(package).create_all(connection)
        return catalogue(connection)

    migrated, by_hand = await on(url, catalogue), await on(url, built_by_hand)
    for kind in migrated:
        assert migrated[kind] - by_hand[kind] == set(), f"{kind} only the migrations know"
        assert by_hand[kind] - migrated[kind] == set(), f"{kind} only tables.py knows"
