"""The boards of deploy/grafana: written from devkit/boards, over metrics that there are, and as Grafana reads them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devkit.boards import BOARDS, grafana
from devkit.boards.panels import BOARD_WIDTH, COLORS, Board, in_units
from mesh.currencies import CURRENCIES
from mesh.metrics.registry import DEFINED
from payment_svc.domain import RefundStatus, State
from tests.docs.pages import anchors
from tests.house.conftest import ROOT
from tests.house.test_metrics import PROMTOOL, check_query, promtool

FOLDER = ROOT / "deploy" / "grafana"
QUERIES = [
    pytest.param(query.expr, id=f"{board.name}-{panel.title}-{number}")
    for board in BOARDS
    for panel in board.panels()
    for number, query in enumerate(panel.queries)
]


def panels_of(board: Board) -> list[dict[str, Any]]:
    return list(json.loads(grafana.to_json(board))["panels"])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_files_are_those_that_make_boards_writes(board: Board) -> None:
    assert (FOLDER / f"{board.name}.json").read_text() == grafana.to_json(board)


def test_there_is_no_other_board() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {board.name for board in BOARDS}


@pytest.mark.parametrize("expr", QUERIES)
def test_a_board_asks_for_metrics_and_labels_that_there_are(expr: str) -> None:
    check_query(expr)


@PROMTOOL
def test_promtool_reads_every_query(tmp_path: Path) -> None:
    exprs = sorted({query.expr for board in BOARDS for panel in board.panels() for query in panel.queries})
    rules = [
        {"record": f"board:query_{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, expr in enumerate(exprs)
    ]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "queries.yml"))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_lie_beside_each_other_and_ask_the_chosen_prometheus(board: Board) -> None:
    panels = panels_of(board)
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= BOARD_WIDTH for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    sources = {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())}
    assert sources == {"${datasource}"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_legend_names_labels_that_its_query_keeps(board: Board) -> None:
    for panel in board.panels():
        assert panel.text.endswith(".") and len(panel.text.split(". ")[0].split()) <= 25, panel.title
        for query in panel.queries:
            named = set(re.findall(r"{{(\w+)}}", query.legend))
            kept = re.findall(r"(?:by|group_left) \(([^)]*)\)", query.expr)
            if kept:
                assert named - {"instance"} <= {label.strip() for group in kept for label in group.split(",")}, (
                    panel.title
                )


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_each_panel_links_to_a_section_of_the_runbook(board: Board) -> None:
    written, there = json.loads(grafana.to_json(board)), anchors("docs/operations.md")
    assert [one["name"] for one in written["templating"]["list"]] == ["datasource", "docs"]
    linked = [panel["links"][0]["url"] for panel in written["panels"] if panel["type"] != "row"]
    assert all(url.startswith("${docs}/operations.md#") for url in linked)
    assert {url.partition("#")[2] for url in linked} <= there


#: What Grafana's own schema wants each part to have, and what else we give it. Source: grafana-foundation-sdk 0.0.18,
#: jsonschema/dashboard, stat, timeseries and prometheus. Fields that we do not use are left out here.
SCHEMA: dict[str, tuple[str, str]] = {
    "board": (
        "schemaVersion templating annotations",
        "uid title description tags timezone editable graphTooltip time refresh panels links",
    ),
    "link": ("title type icon tooltip tags asDropdown targetBlank includeVars keepTime", "url"),
    "variable": ("type name", "label description query current"),
    "annotation": ("name enable iconColor", "datasource expr titleFormat step"),
    "row": ("type collapsed id panels", "title gridPos"),
    "panel": ("type", "id title description datasource gridPos links targets options fieldConfig"),
    "target": ("expr refId", "datasource legendFormat instant range exemplar"),
    "stat options": (
        "graphMode colorMode justifyMode textMode wideLayout reduceOptions showPercentChange percentChangeColorMode"
        " orientation",
        "",
    ),
    "timeseries options": ("legend tooltip", ""),
    "legend": ("displayMode placement showLegend calcs", ""),
    "fieldConfig": ("defaults overrides", ""),
    "defaults": ("", "unit decimals thresholds color custom"),
}


def parts_of(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "board", board
    yield from (("variable", one) for one in board["templating"]["list"])
    yield from (("annotation", one) for one in board["annotations"]["list"])
    yield from (("link", one) for one in board["links"])
    for panel in board["panels"]:
        yield ("row" if panel["type"] == "row" else "panel"), panel
        yield from (("link", one) for one in panel.get("links", ()))
        yield from (("target", one) for one in panel.get("targets", ()))
        if "options" in panel:
            yield f"{panel['type']} options", panel["options"]
            yield from [("legend", panel["options"]["legend"])] if panel["type"] == "timeseries" else []
            yield "fieldConfig", panel["fieldConfig"]
            yield "defaults", panel["fieldConfig"]["defaults"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_each_part_of_a_board_has_the_fields_of_grafanas_schema(board: Board) -> None:
    for kind, part in parts_of(json.loads(grafana.to_json(board))):
        required, others = (set(names.split()) for names in SCHEMA[kind])
        assert required <= part.keys() <= required | others, (kind, part.get("title"))


def test_each_currency_is_shown_in_its_own_units() -> None:
    shown = in_units("increase", "money", "[1h]").split(" or ")
    for code, currency in CURRENCIES.items():
        matched = [part for part in shown if chooses(part, code)]
        assert len(matched) == 1, code
        assert int(matched[0].partition(" / ")[2] or "1") == 10**currency.places


def chooses(part: str, code: str) -> bool:
    sign, pattern = re.findall(r'currency(=~|!~)"([^"]+)"', part)[0]
    return bool(re.fullmatch(pattern, code)) == (sign == "=~")


def test_a_color_means_a_value_that_there_is() -> None:
    values = {state.value for state in State} | {status.value for status in RefundStatus} | {"PARKED", "GIVEN_UP"}
    assert COLORS["state"].keys() | COLORS["status"].keys() <= values
    text = next(one.text for one in DEFINED if one.name == "tutormesh_provider_call_duration_seconds")
    assert all(outcome in text for outcome in COLORS["outcome"])


def test_grafana_finds_the_boards_and_prometheus_by_settings() -> None:
    provisioning = FOLDER / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "tutormesh.yml").read_text())["providers"]
    assert (source["type"], source["url"], provider["options"]["path"]) == (
        "prometheus",
        "$PROMETHEUS_URL",
        "$BOARDS_FOLDER",
    )
