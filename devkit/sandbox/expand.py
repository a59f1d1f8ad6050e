"""`expand[]=latest_charge`: ids replaced by what they name. Source: Stripe, "Expanding responses"."""

from __future__ import annotations

from typing import Any

from .errors import ApiError, Json
from .params import Params
from .store import Store

_KINDS = {name: name for name in ("payment_intent", "charge", "payment_method", "refund")} | {"latest_charge": "charge"}
_MAX_DEPTH = 4


def expanded(store: Store, params: Params, body: Json) -> Json:
    """The answer with every asked path expanded; a path that names nothing here is left alone."""
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
