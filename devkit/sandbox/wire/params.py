"""Read parameters by their type, and refuse what Stripe would refuse. Every method may raise ApiError 400."""

from __future__ import annotations

import re
from collections.abc import Collection

from devkit.sandbox.wire.errors import ApiError, Json, missing

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_MAX_TEXT = 5000
_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500


class Params:
    """The parameters of one request, as decoded by `forms.decode`."""

    def __init__(self, raw: Json) -> None:
        self.raw = raw

    def allow(self, names: Collection[str]) -> None:
        """Refuse any other name. `expand`, `key` and `client_secret` are allowed in every request."""
        for name in self.raw:
            if name not in names and name not in ("expand", "key", "client_secret"):
                raise ApiError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)

    def text(self, name: str) -> str | None:
        """A string, or None when it is absent or empty. Stripe unsets a field by an empty value."""
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise ApiError(f"Invalid string: {name}", param=name)
        if len(value) > _MAX_TEXT:
            raise ApiError(f"Invalid string: {name} is too long", code="parameter_invalid_string_length", param=name)
        return value

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """One of `options`, or None when absent."""
        value = self.text(name)
        if value is not None and value not in options:
            raise ApiError(f"Invalid {name}: must be one of {', '.join(options)}", param=name)
        return value

    def flag(self, name: str) -> bool:
        """True or false; absent is false."""
        return self.choice(name, ("true", "false")) == "true"

    def integer(self, name: str, minimum: int = 1) -> int | None:
        """A whole number of at least `minimum`, or None when it is absent."""
        value = self.raw.get(name)
        if value is None:
            return None
        if value == "":
            raise ApiError(f"You passed an empty string for '{name}'.", code="parameter_invalid_empty", param=name)
        number = whole(value, name)
        if number < minimum:
            message = f"This value must be greater than or equal to {minimum}."
            raise ApiError(message, code="parameter_invalid_integer", param=name)
        return number

    def required_integer(self, name: str) -> int:
        """A whole number that must be given."""
        number = self.integer(name)
        if number is None:
            raise missing(name)
        return number

    def strings(self, name: str) -> list[str]:
        """A list of strings, in order; a single value counts as a list of one."""
        value = self.raw.get(name, {})
        if isinstance(value, str):
            return [value] if value else []
        items = [value[key] for key in sorted(value, key=_position)]
        if not all(isinstance(item, str) for item in items):
            raise ApiError("Invalid array", param=name)
        return items

    def metadata(self, current: Json) -> Json:
        """`current`, updated with this request's metadata.

        An empty value unsets a key, and an empty `metadata` unsets all. Source: Stripe, "Metadata" (50 keys of 40
        characters, values of 500).
        """
        given = self.raw.get("metadata", {})
        if given == "":
            return {}
        if isinstance(given, str):
            raise ApiError("Invalid object", param="metadata")
        merged = {**current, **{key: _metadata_value(key, value) for key, value in given.items()}}
        merged = {key: value for key, value in merged.items() if value != ""}
        if len(merged) > _MAX_KEYS:
            raise ApiError(f"Metadata can have up to {_MAX_KEYS} keys.", param="metadata")
        return merged


def whole(value: object, param: str) -> int:
    """Parse an integer of a form. Raises ApiError (parameter_invalid_integer)."""
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        shown = str(value)[:50]
        raise ApiError(f"Invalid integer: {shown}", code="parameter_invalid_integer", param=param)
    return int(value)


def _metadata_value(key: str, value: object) -> str:
    param = f"metadata[{key}]"
    if not isinstance(value, str):
        raise ApiError("Metadata values must be strings.", param=param)
    if len(key) > _MAX_KEY:
        raise ApiError(f"Metadata keys may have up to {_MAX_KEY} characters.", param=param)
    if len(value) > _MAX_VALUE:
        raise ApiError(f"Metadata values can have up to {_MAX_VALUE} characters.", param=param)
    return value


def _position(key: str) -> tuple[int, str]:
    return (int(key) if _INTEGER.fullmatch(key) else 0, key)
