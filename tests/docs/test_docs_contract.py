"""docs/api.md is the contract as it is: every error code, the GraphQL schema, the ports, and the legal transitions."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from http import HTTPStatus
from types import ModuleType
from typing import Any

import pytest
from graphql import DocumentNode, parse, print_ast

from devkit.layout import MAIL_OFFSET, MAIL_PORT, PROGRAMS
from mesh.errors import Refusal
from tests.docs.pages import ROOT, blocks, prose

PACKAGES = "mesh availability_svc booking_svc learning_svc payment_svc session_svc bff".split()
PAGE = "docs/api.md"
#: What the edge says besides refusals: GraphQL's own words, REST's, and Starlette's for a path or a method there is not.
OF_THE_EDGE = {"UNAVAILABLE", "INTERNAL", "BAD_REQUEST", HTTPStatus.METHOD_NOT_ALLOWED.name}


def modules_of(package: str) -> Iterator[ModuleType]:
    """Every module of a package, wherever it lies."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not re.search(r"\.(__main__|migrations)(\.|$)", found.name):
            yield importlib.import_module(found.name)


@cache
def modules() -> tuple[ModuleType, ...]:
    return tuple(module for package in PACKAGES for module in modules_of(package))


def refusals() -> dict[str, list[type[Refusal]]]:
    """The refusals of our packages by their reason."""
    assert modules()
    found: dict[str, list[type[Refusal]]] = {}
    waiting = list(Refusal.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.reason and kind.__module__.partition(".")[0] in PACKAGES:
            found.setdefault(kind.reason, []).append(kind)
    return found


def found(name: str) -> Any:
    """What has this name in one of the edge's modules, whichever it is."""
    return next(
        getattr(module, name) for module in modules() if module.__name__.startswith("bff") and name in vars(module)
    )


def rows() -> dict[str, dict[str, str]]:
    """The rows of the tables of error codes, by code."""
    page = prose(PAGE).partition("\n## Error codes\n")[2]
    told: dict[str, dict[str, str]] = {}
    for table in re.findall(r"(?m)(?:^\|.*\|\n)+", page + "\n"):
        head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
        for cells in body:
            told[cells[0].strip("`")] = dict(zip(head, cells, strict=True))
    return told


def codes() -> set[str]:
    return {*refusals(), *OF_THE_EDGE}


def test_every_code_is_in_the_table_and_no_other() -> None:
    assert set(rows()) == codes()


@pytest.mark.parametrize("code", sorted(refusals()))
def test_a_code_has_the_statuses_that_the_table_says(code: str) -> None:
    row = rows()[code]
    for kind in refusals()[code]:
        assert row["gRPC"] == kind.code.name
        if "HTTP" in row and code != "BAD_SIGNATURE":  # the webhook's endpoint has statuses of its own
            assert int(row["HTTP"]) == found("status_of")(kind("x"))


def test_user_errors_are_those_of_the_schema() -> None:
    promised = {code for code, row in rows().items() if row.get("GraphQL", "").startswith("userErrors")}
    assert promised == set(schema_of(served())["UserErrorCode"])


def test_a_code_of_the_edge_is_written_there() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bff").rglob("*.py"))
    for code in OF_THE_EDGE - {HTTPStatus.METHOD_NOT_ALLOWED.name}:
        assert f'"{code}"' in text


def test_no_code_of_the_edge_is_forgotten() -> None:
    """Whatever stands behind `code` in the edge is a code of the table."""
    written = re.compile(r'"code": "([A-Z_]+)"|StatusCode\.[A-Z_]+: "([A-Z_]+)"|\["code"\] = "([A-Z_]+)"')
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "bff").rglob("*.py")]
    said = {word for text in texts for groups in written.findall(text) for word in groups if word}
    assert {"UNAVAILABLE", "INTERNAL", "FORBIDDEN"} <= said
    assert said <= set(rows())


def served() -> DocumentNode:
    """The schema of the edge, all its files."""
    return parse("\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "bff").rglob("*.graphql"))))


def schema_of(document: DocumentNode) -> dict[str, dict[str, str]]:
    """Type by type its fields or values, each as it is written, without descriptions and directives."""
    types: dict[str, dict[str, str]] = {}
    for definition in document.definitions:
        fields = types.setdefault(definition.name.value, {})  # type: ignore[attr-defined]
        for field in getattr(definition, "fields", None) or getattr(definition, "values", None) or ():
            fields[field.name.value] = _written(field)
    return types


def _written(field: Any) -> str:
    if not hasattr(field, "type"):
        return ""
    arguments = [f"{argument.name.value}{_written(argument)}" for argument in getattr(field, "arguments", None) or ()]
    default = getattr(field, "default_value", None)
    return f"({', '.join(arguments)}): {print_ast(field.type)}" + (f" = {print_ast(default)}" if default else "")


def test_the_schema_on_the_page_is_the_one_that_is_served() -> None:
    (block,) = (block.code for block in blocks(PAGE) if block.language == "graphql")
    assert schema_of(parse(block)) == schema_of(served())


def test_the_ports_on_the_page_are_those_of_the_launcher() -> None:
    told = re.findall(r"\| (\d+) \| N(?:\+(\d+))? \|", prose(PAGE))
    launched = {(program.port, program.offset) for program in PROGRAMS.values()} | {(MAIL_PORT, MAIL_OFFSET)}
    assert {(int(port), int(offset or 0)) for port, offset in told} == launched


def pictures() -> list[set[tuple[str, str]]]:
    """The transitions of each picture of states, from top to bottom."""
    drawn = [block.code for block in blocks(PAGE) if block.language == "mermaid"]
    return [set(re.findall(r"(?m)^ +([A-Z_]+) --> ([A-Z_]+)", code)) for code in drawn]


def legal(package: str, of: str) -> set[tuple[str, str]]:
    """The legal transitions of a package: its table from states to the states that may follow, with this state in it."""
    for module in modules_of(package):
        for value in vars(module).values():
            if isinstance(value, Mapping) and value and all(isinstance(state, Enum) for state in value):
                sets = [after for after in value.values() if isinstance(after, set | frozenset)]
                if len(sets) == len(value) and of in {state.value for state in value}:
                    return {(state.value, after.value) for state, all_after in value.items() for after in all_after}
    raise AssertionError(f"{package} has no table of legal transitions")


def test_the_picture_of_a_saga_has_its_legal_transitions() -> None:
    """Those from and to PARKED are told in words."""
    assert pictures()[0] == {pair for pair in legal("payment_svc", "AWAITING_PAYMENT") if "PARKED" not in pair}


def test_the_picture_of_a_booking_has_its_legal_transitions() -> None:
    assert pictures()[1] == legal("booking_svc", "PAYMENT_REQUIRED")


def test_the_picture_of_a_payment_has_every_state() -> None:
    drawn = {state for pair in pictures()[2] for state in pair}
    assert drawn == set(schema_of(served())["PaymentStatus"])
