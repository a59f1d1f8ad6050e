"""Boards as Grafana reads them (dashboard JSON, schema version 39: Grafana 10 and later)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devkit.boards.panels import BOARD_WIDTH, Board, Number, Panel, Query, Row

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT, _NUMBER_HEIGHT = 8, 4
#: Where docs/operations.md is shown, until somebody sets another address.
_DOCS_URL = "https://docs.example.com/tutormesh"
_DOCS = {
    "name": "docs",
    "type": "textbox",
    "label": "Docs",
    "description": "The address below which operations.md is shown: panels link to its sections.",
    "query": _DOCS_URL,
    "current": {"text": _DOCS_URL, "value": _DOCS_URL},
}


def to_json(board: Board) -> str:
    """The text of the board's file."""
    return json.dumps(_board(board), indent=1, ensure_ascii=False) + "\n"


def write(boards: tuple[Board, ...], folder: Path) -> None:
    for board in boards:
        (folder / f"{board.name}.json").write_text(to_json(board))


def _board(board: Board) -> dict[str, Any]:
    others = _link("tutormesh", "dashboards", tags=["tutormesh"], includeVars=True, keepTime=True)
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": f"tutormesh-{board.name}",
        "title": board.title,
        "description": board.text,
        "tags": ["tutormesh"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,  # one time is marked on all panels
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "timezone": "browser",
        "links": [others],
        "templating": {"list": [source, _DOCS]},
        "annotations": {"list": [_firing_alerts()]},
        "panels": list(_panels(board.rows)),
    }


def _link(title: str, kind: str, **more: Any) -> dict[str, Any]:
    """A link to other boards that have a tag ("dashboards"), or to a page ("link")."""
    usual = {"icon": "external link", "tooltip": "", "url": "", "tags": [], "asDropdown": False, "targetBlank": False}
    return {"title": title, "type": kind, **usual, "includeVars": False, "keepTime": False, **more}


def _firing_alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "step": "15s",
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    ids, y = itertools.count(1), 0
    for row in rows:
        place = {"h": 1, "w": BOARD_WIDTH, "x": 0, "y": y}
        yield {"id": next(ids), "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > BOARD_WIDTH:
                x, y, height = 0, y + height, 0
            height = max(height, _NUMBER_HEIGHT if isinstance(panel, Number) else _HEIGHT)
            place = {"h": height, "w": panel.width, "x": x, "y": y}
            yield {"id": next(ids), "gridPos": place, **_panel(panel)}
            x += panel.width
        y += height


def _panel(panel: Panel | Number) -> dict[str, Any]:
    runbook = _link("Runbook", "link", url=f"${{docs}}/operations.md#{panel.runbook}", targetBlank=True)
    common = {
        "title": panel.title,
        "description": panel.text,
        "links": [runbook],
        "datasource": _SOURCE,
        "targets": [_target(query, letter, panel) for query, letter in zip(panel.queries, "ABCDEF", strict=False)],
    }
    return common | (_number(panel) if isinstance(panel, Number) else _lines(panel))


def _target(query: Query, letter: str, panel: Panel | Number) -> dict[str, Any]:
    shown = {"instant": True} if isinstance(panel, Number) else {"range": True, "exemplar": "_bucket" in query.expr}
    return {"refId": letter, "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend, **shown}


def _number(number: Number) -> dict[str, Any]:
    decimals = {"decimals": 0} if number.unit == "short" else {}  # Prometheus's increase() has fractions of one sale
    return {
        "type": "stat",
        "options": {
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": False,
            "textMode": "value",
            "wideLayout": True,
        },
        "fieldConfig": {
            "defaults": {"unit": number.unit, "thresholds": {"mode": "absolute", "steps": _steps(number)}} | decimals,
            "overrides": [],
        },
    }


def _steps(number: Number) -> list[dict[str, Any]]:
    if number.alarm is None:
        return [{"color": "blue", "value": None}]
    return [{"color": "green", "value": None}, {"color": "red", "value": number.alarm}]


def _lines(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"lineWidth": 2, "fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom |= {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    if panel.is_logarithmic:
        custom |= {"scaleDistribution": {"type": "log", "log": 10}}
    return {
        "type": "timeseries",
        "options": {
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "color": {"mode": "palette-classic"}, "custom": custom},
            "overrides": [_colored(name, color) for name, color in panel.colors.items()],
        },
    }


def _colored(name: str, color: str) -> dict[str, Any]:
    fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": color}}
    return {"matcher": {"id": "byName", "options": name}, "properties": [fixed]}
