"""Stripe's form encoding: `metadata[sagaId]=…`, `expand[]=…` and `payment_method_types[0]=…` become nested dicts."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from devkit.sandbox.wire.errors import ApiError, Json

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MAX_FIELDS, _MAX_DEPTH = 1000, 8


def decode(raw: bytes) -> Json:
    """Decode a form. A list becomes a dict with the keys "0", "1", …: only the reader knows that it is a list.

    Raises ApiError 400 for text that is not UTF-8, has wrong brackets, or contradicts itself.
    """
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise _malformed() from None
    tree: Json = {}
    for key, value in pairs:
        _put(tree, _path(key), value)
    return tree


def _path(key: str) -> list[str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise _malformed(key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > _MAX_DEPTH:
        raise _malformed(key)
    return path


def _put(tree: Json, path: list[str], value: str) -> None:
    node = tree
    for step in path[:-1]:
        node = node.setdefault(step or str(len(node)), {})
        if not isinstance(node, dict):
            raise _malformed(path[0])
    leaf = path[-1] or str(len(node))
    if isinstance(node.get(leaf), dict):
        raise _malformed(path[0])
    node[leaf] = value  # the last value of a repeated scalar counts


def _malformed(key: str | None = None) -> ApiError:
    return ApiError("Invalid request (the parameters are not well-formed form data).", param=key)
