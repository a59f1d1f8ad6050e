"""A JSON object, read field by field. A field that cannot be used raises BadInput with its name."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from bff.times import parse_time, parse_timestamp
from mesh import wire
from mesh.currencies import read_code
from mesh.errors import BadInput
from mesh.money import MAX_MINOR, MOST_PLACES, Money

_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,30})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object that a client sent. Numbers are int or Decimal, never float.

    `prefix` goes before a field's name in errors: "blocks[0]." for an object in a list.
    """

    values: dict[str, Any]
    prefix: str = ""

    def name(self, field: str) -> str:
        return f"{self.prefix}{field}"

    def require_present(self, field: str) -> None:
        """The field must be present, but may be null."""
        if field not in self.values:
            raise BadInput("must be given", field=self.name(field))

    def text(self, field: str) -> str:
        """Text that must be given."""
        value: str = self._require(field, str, "text")
        return value

    def optional_text(self, field: str) -> str | None:
        """Text; None when absent or null."""
        return None if self.values.get(field) is None else self.text(field)

    def uuid(self, field: str) -> str:
        """A UUID that must be given, in lower case."""
        return str(wire.uuid(self.text(field), self.name(field)))

    def optional_uuid(self, field: str) -> str | None:
        return None if self.values.get(field) is None else self.uuid(field)

    def time(self, field: str) -> datetime:
        """A time that must be given; without an offset it is UTC."""
        return parse_time(self.text(field), self.name(field), bare_is_utc=True)

    def timestamp(self, field: str) -> Timestamp:
        """The same as a proto Timestamp."""
        return parse_timestamp(self.text(field), self.name(field), bare_is_utc=True)

    def query_number(self, field: str, default: int) -> int:
        """A whole number, not negative, in a query's parameter."""
        text = self.optional_text(field)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
            raise BadInput("must be a whole number", field=self.name(field))
        return int(text)

    def amount(self, field: str) -> Decimal:
        """A decimal amount that must be given, as a number or as text; it is never read as a float."""
        value = self.values.get(field)
        if value is None:
            raise BadInput("must be given", field=self.name(field))
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not (is_number or (isinstance(value, str) and _DECIMAL.fullmatch(value))):
            raise BadInput('must be a decimal amount such as "50.00"', field=self.name(field))
        amount = Decimal(value)
        if not 0 <= amount <= MAX_MINOR or int(amount.as_tuple().exponent) < -MOST_PLACES:
            raise BadInput("out of range", field=self.name(field))
        return abs(amount)  # JSON has a -0

    def currency(self, field: str) -> str:
        """An ISO 4217 currency that must be given, in any case. Returns it in upper case."""
        value = self.text(field)
        try:
            return read_code(value)
        except ValueError as error:
            raise BadInput(str(error), field=self.name(field)) from None

    def money(self, field: str, currency: str) -> Money:
        """The amount that must be given, exactly, in this currency."""
        try:
            return Money.exactly(self.amount(field), currency)
        except ValueError as error:
            raise BadInput(str(error), field=self.name(field)) from None

    def choice(self, field: str, known: Collection[str]) -> str:
        """One of these words; it must be given."""
        word = self.text(field)
        if word not in known:
            raise BadInput(f"must be one of {', '.join(known)}", field=self.name(field))
        return word

    def objects(self, field: str) -> list[Fields]:
        """A list of objects that must be given, each with its own prefix."""
        items: list[Any] = self._require(field, list, "a list")
        for number, item in enumerate(items):
            if not isinstance(item, dict):
                raise BadInput("must be an object", field=self.name(f"{field}[{number}]"))
        return [Fields(item, self.name(f"{field}[{number}].")) for number, item in enumerate(items)]

    def _require(self, field: str, kind: type, word: str) -> Any:
        value = self.values.get(field)
        if value is None:
            raise BadInput("must be given", field=self.name(field))
        if not isinstance(value, kind):
            raise BadInput(f"must be {word}", field=self.name(field))
        return value
