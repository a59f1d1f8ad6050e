"""The code gives a span no other attribute than those of the closed list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mesh import tracing
from tests.house.conftest import ROOT
from tests.traced import ATTRIBUTES

PACKAGES = ("mesh", "bff", "payment_svc", "booking_svc", "availability_svc", "session_svc", "learning_svc")


def test_every_attribute_that_the_code_names_is_on_the_list() -> None:
    named = set(_named())
    assert {"rpc.response.status_code", "tutormesh.next_state", "db.query.text", "error.type"} <= named
    assert named <= ATTRIBUTES


def _named() -> Iterator[str]:
    """The first argument of `mark` and `set_attribute`, and the keys of dictionaries that look like attributes."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
                    "mark",
                    "set_attribute",
                ):
                    yield from _text(node.args[0])
                if isinstance(node, ast.Dict):
                    keys = [text for key in node.keys if key is not None for text in _text(key)]
                    yield from (key for key in keys if key.startswith(("db.", "tutormesh.", "rpc.", "http.")))


def _text(node: ast.expr) -> Iterator[str]:
    """The text of a constant, or of `f"{tracing.PREFIX}name"`. A variable is whatever its caller gave it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if isinstance(node, ast.JoinedStr) and ast.unparse(node.values[0]) == ast.unparse(_PREFIX):
        (word,) = node.values[1:]
        assert isinstance(word, ast.Constant)
        yield f"{tracing.PREFIX}{word.value}"


_PREFIX = ast.parse('f"{tracing.PREFIX}"', mode="eval").body.values[0]  # type: ignore[attr-defined]
