"""The PaymentIntents and charges of all sales, in the sandbox's file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import md5
from itertools import islice
from pathlib import Path
from typing import Any

from bench.growth.people import OVER_MINUTES, Plan, made

_OF_INTENT = "select body from object where id = ? or kind = 'charge' and payment_intent = ? order by seq"
_PUT = "insert into object (id, kind, created, payment_intent, charge, type, body) values (?, ?, ?, ?, ?, ?, ?)"
# The index of times stays: reconcile lists by it meanwhile, and what is made comes to its end.
_INDEXES = """
    select name, sql from sqlite_master where type = 'index' and sql is not null and name <> 'object_created'
"""
#: Ids come in no order: the pages of their index should stay in the cache.
CACHE_KILOBYTES = 500_000
#: Objects of a transaction. SQLite's write-ahead log grows no longer than one: each begins at its start again.
BATCH = 50_000
KINDS = ("lesson", "seat")


def fill_sandbox(path: Path, intents: Sequence[str], plan: Plan) -> None:
    """Make the objects of all sales, like those of the intents of a lesson and of a seat.

    The sandbox goes on meanwhile, and finds objects by id and by time. Other indexes are built at the end. What comes later
    does not wait for the disk: everything is on it.
    """
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        connection.execute(f"pragma cache_size = -{CACHE_KILOBYTES}")
        bodies = {kind: _bodies(connection, intent) for kind, intent in zip(KINDS, intents, strict=True)}
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"drop index {name}")
        objects = _objects(bodies, plan)
        while some := list(islice(objects, BATCH)):
            connection.execute("begin")
            connection.executemany(_PUT, some)
            connection.execute("commit")
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("pragma wal_checkpoint(truncate)")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _bodies(connection: sqlite3.Connection, intent_id: str) -> list[dict[str, Any]]:
    """The intent and its charge."""
    return [json.loads(body) for (body,) in connection.execute(_OF_INTENT, (intent_id, intent_id))]


def _objects(bodies: dict[str, list[dict[str, Any]]], plan: Plan) -> Iterator[tuple[object, ...]]:
    patterns = {kind: [_pattern(body, found) for body in found] for kind, found in bodies.items()}
    now = max(body["created"] for found in bodies.values() for body in found)
    for n in range(plan.sales - 1, -1, -1):
        created = now - (OVER_MINUTES + n * plan.minutes_apart) * 60
        for kind, found in patterns.items():
            course = made("course", n % plan.courses)
            yield from _objects_of(kind, found, n, created, course)


def _objects_of(
    kind: str, patterns: list[tuple[str, str]], n: int, created: int, course: str
) -> Iterator[tuple[object, ...]]:
    intent = "pi_" + _hashed(f"{kind} {n}")
    values = {
        "intent": intent,
        "charge": "ch_" + _hashed(f"{kind} {n}"),
        "saga": made(f"{kind}.id", n),
        "payment": made(f"{kind}.payment_id", n),
        "context": made("lesson.session_id", n) if kind == "lesson" else course,
        "created": created,
    }
    for what, pattern in patterns:
        owner = intent if what == "charge" else None
        yield values["intent" if owner is None else "charge"], what, created, owner, None, None, pattern % values


def _pattern(body: dict[str, Any], found: list[dict[str, Any]]) -> tuple[str, str]:
    """The kind of an object, and its JSON with places for what differs between sales."""
    intent = next(each for each in found if each["object"] == "payment_intent")
    metadata = intent["metadata"]
    text = json.dumps(body, separators=(",", ":")).replace("%", "%%").replace(str(body["created"]), "%(created)d")
    ids = {"intent": intent["id"], "charge": intent["latest_charge"], "saga": metadata["sagaId"]}
    ids |= {"payment": metadata["paymentId"], "context": metadata["contextId"]}
    for name, id_ in ids.items():
        text = text.replace(id_, f"%({name})s")
    return body["object"], text


def _hashed(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
