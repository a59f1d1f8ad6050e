"""Golden sagas: rows as payment_svc's tables store them, kept as JSON, with what lies beside them in other services.

Instants are kept as seconds from the moment of recording ("now+1800.0"), the lesson's time as "lesson", and what the
provider named as "{intent}" and "{client_secret}"; everything else, the ids included, is the row's own JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.people import lesson_time
from tests.world import World

FOLDER = Path(__file__).parent / "sagas"
TABLES = ("saga", "payment", "refund")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SHIFT = re.compile(r"now([+-]\d+\.\d)")


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden saga. `calls` are the participants' calls that had been answered; `intent` is what became of it."""

    name: str
    rows: dict[str, list[dict[str, Any]]]
    calls: list[str]
    intent: list[str]
    then: str  # what somebody does: "", "pay", "retry"
    ends: str

    @property
    def saga(self) -> dict[str, Any]:
        """The row under test: the last one, behind the purchase that it cancels."""
        return self.rows["saga"][-1]

    @property
    def purchase(self) -> dict[str, Any]:
        return self.rows["saga"][0]

    @property
    def version(self) -> tuple[str, int]:
        return self.saga["kind"], self.saga["version"]

    def filled(self, intent: str, client_secret: str) -> dict[str, list[dict[str, Any]]]:
        """The rows for now: instants moved, the provider's names filled in."""
        now = datetime.now(UTC)
        text = json.dumps(self.rows).replace("{intent}", intent).replace("{client_secret}", client_secret)
        text = _SHIFT.sub(lambda found: (now + timedelta(seconds=float(found[1]))).isoformat(), text)
        rows: dict[str, list[dict[str, Any]]] = json.loads(
            text.replace('"lesson"', json.dumps(lesson_time().isoformat()))
        )
        return rows


def kept() -> list[Golden]:
    """Every golden saga there is."""
    return [Golden(path.stem, **json.loads(path.read_text())) for path in sorted(FOLDER.glob("*/*.json"))]


async def taken(world: World, saga_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of these sagas (the purchase first) as their tables store them, made independent of place and time."""
    key = {"saga": "id", "payment": "saga_id", "refund": "saga_id"}
    rows: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        which = f"{key[table]} = any($1::text[]::uuid[])"
        ask = f"select to_jsonb(t)::text as row from {table} t where {which} order by created_at"
        rows[table] = [json.loads(found["row"]) for found in await world.sql("payment", ask, saga_ids)]
    lesson, now = rows["saga"][0]["time_slot"], datetime.now(UTC)
    text = json.dumps(rows).replace(json.dumps(lesson), '"lesson"') if lesson else json.dumps(rows)
    text = _INSTANT.sub(lambda found: f"now{(datetime.fromisoformat(found[0]) - now).total_seconds():+.1f}", text)
    intent = rows["saga"][0]["payment_intent_id"]
    if intent:
        text = re.sub(rf"{intent}_secret_\w+", "{client_secret}", text).replace(intent, "{intent}")
    return cast(dict[str, list[dict[str, Any]]], json.loads(text))


async def put(world: World, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Write rows as they are. A column that came later has what its migration gave to older rows: its default."""
    for table in TABLES:
        for row in rows[table]:
            columns = ", ".join(row)
            source = f"jsonb_populate_record(null::{table}, $1::jsonb)"
            await world.sql(
                "payment", f"insert into {table} ({columns}) select {columns} from {source}", json.dumps(row)
            )


def keep(golden: Golden) -> Path:
    """Write a golden saga's file."""
    kind, version = golden.version
    path = FOLDER / f"{kind}-{version}" / f"{golden.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {name: getattr(golden, name) for name in ("rows", "calls", "intent", "then", "ends")}
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    return path
