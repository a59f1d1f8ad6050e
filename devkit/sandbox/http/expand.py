"""`expand[]=latest_charge`: replace ids in an answer by the objects. Source: Stripe, "Expanding responses"."""

from __future__ import annotations

from typing import Any

from devkit.sandbox.store import Store
from devkit.sandbox.wire.errors import ApiError, Json
from devkit.sandbox.wire.params import Params

_KINDS = {name: name for name in ("payment_intent", "charge", "payment_method", "refund")} | {"latest_charge": "charge"}
_MAX_DEPTH = 4


def expand(store: Store, params: Params, body: Json) -> Json:
    """Expand every requested path of the answer. A path that names nothing is ignored."""
    for path in params.strings("expand"):
        steps = path.split(".")
        if len(steps) > _MAX_DEPTH:
            message = "You cannot expand more than 4 levels of a property"
            raise ApiError(message, code="property_expansion_max_depth", param="expand")
        _expand(store, body, steps)
    return body


def _expand(store: Store, node: Any, steps: list[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(store, item, steps)
    elif isinstance(node, dict) and steps and steps[0] in node:
        name = steps[0]
        if isinstance(node[name], str) and name in _KINDS:
            node[name] = store.find(_KINDS[name], node[name]) or node[name]
        _expand(store, node[name], steps[1:])
