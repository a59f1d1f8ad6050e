"""Decoding of request fields. Each function raises BadInput that names the field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.currencies import MOST_TOLD, read_code
from mesh.errors import BadInput
from mesh.money import Money
from tutormesh.common.v1 import money_pb2

MAX_PAGE = 100
#: How many ids a batch request may have.
MAX_BATCH = 200
#: The earliest and latest instants that are accepted: PostgreSQL and every calendar can represent those between.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def uuid(value: str, field: str) -> UUID:
    """A UUID in its canonical 36 characters (RFC 9562), of either case."""
    try:
        parsed = UUID(value)
    except ValueError:
        raise BadInput("not a UUID", field=field) from None
    if str(parsed) != value.lower():
        raise BadInput("not a UUID", field=field)
    return parsed


def uuids(values: Sequence[str], field: str) -> list[UUID]:
    """At most MAX_BATCH UUIDs, without repetitions. BadInput names the element that is not a UUID."""
    if len(values) > MAX_BATCH:
        raise BadInput(f"must have at most {MAX_BATCH} ids", field=field)
    return list(dict.fromkeys(uuid(value, f"{field}[{index}]") for index, value in enumerate(values)))


def listed_ids(values: Sequence[str], person: UUID | None) -> list[UUID]:
    """The ids to which a list of everybody's is narrowed; empty for the whole list. A person's list takes none."""
    if values and person is not None:
        raise BadInput("must not be given for a person's list", field="ids")
    return uuids(values, "ids")


def optional_uuid(value: str, field: str) -> UUID | None:
    return uuid(value, field) if value else None


def instant(message: Message, field: str) -> datetime:
    """The aware UTC instant in a Timestamp field that must be set."""
    if not message.HasField(field):
        raise BadInput("must be given", field=field)
    stamp: Timestamp = getattr(message, field)
    try:
        value = stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadInput("not a valid time", field=field) from None
    if not EARLIEST <= value <= LATEST:
        raise BadInput("out of range", field=field)
    return value


def period(message: Message, begin: str = "from", end: str = "to") -> tuple[datetime | None, datetime | None]:
    """The instants in two Timestamp fields, of which either may be missing. The end must be after the beginning."""
    first, last = (instant(message, field) if message.HasField(field) else None for field in (begin, end))
    if first is not None and last is not None and last <= first:
        raise BadInput(f"must be after {begin}", field=end)
    return first, last


def whole(value: int, field: str, low: int, high: int) -> int:
    """A whole number within bounds, both included."""
    if not low <= value <= high:
        raise BadInput(f"must be from {low} to {high}", field=field)
    return value


def words(values: Sequence[str], field: str, most: int) -> list[str]:
    """At most MAX_BATCH texts of 1 to `most` characters, without repetitions."""
    if len(values) > MAX_BATCH:
        raise BadInput(f"must have at most {MAX_BATCH} ids", field=field)
    return list(dict.fromkeys(text(value, f"{field}[{index}]", most, 1) for index, value in enumerate(values)))


def text(value: str, field: str, most: int, least: int = 0) -> str:
    """Text of a bounded length without NUL (which PostgreSQL cannot store)."""
    if not least <= len(value) <= most:
        raise BadInput(f"must have {least} to {most} characters", field=field)
    if "\x00" in value:
        raise BadInput("must not contain NUL", field=field)
    return value


def money(message: Message, field: str) -> Money:
    """An amount that must be set, from 0 to MOST_TOLD minor units, in a known currency, written in any case."""
    if not message.HasField(field):
        raise BadInput("must be given", field=field)
    value: money_pb2.Money = getattr(message, field)
    if value.amount_minor > MOST_TOLD:
        raise BadInput(f"must be at most {MOST_TOLD} minor units", field=field)
    try:
        return Money(value.amount_minor, read_code(value.currency))
    except ValueError as error:
        raise BadInput(str(error), field=field) from None


def price(message: Message, field: str) -> Money:
    """What people will be asked to pay, rounded half-even to what can be charged in its currency. Only 0 is free."""
    asked = money(message, field)
    value = asked.portion(1, 1)
    if not value.is_payable or (asked.amount_minor and not value.amount_minor):
        raise BadInput(value.payable_amounts, field=field)
    return value


def page_size(value: int, default: int, most: int = MAX_PAGE) -> int:
    """How many rows a page has: 0 means the default, more than `most` is refused."""
    return default if value == 0 else whole(value, "page_size", 1, most)


def to_money(value: Money) -> money_pb2.Money:
    return money_pb2.Money(amount_minor=value.amount_minor, currency=value.currency)
