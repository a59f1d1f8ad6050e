"""Random messages of any type, made from its descriptor: some nearly valid, most not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

#: Scalars by their proto type: the ends of its range, and what services choke on.
_INT32, _INT64 = (-(2**31), -1, 0, 1, 60, 2**31 - 1), (-(2**63), -1, 0, 1, 5000, 2**63 - 1)
_NUMBERS: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_UINT32: (0, 1, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 1, 2**64 - 1),
    FieldDescriptor.TYPE_ENUM: (-1, 0, 1, 2, 99, 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_DOUBLE: (float("nan"), float("inf"), -1.0, 0.0, 1e300),
    FieldDescriptor.TYPE_FLOAT: (float("nan"), float("inf"), -1.0, 0.0),
}
_WORDS = (
    "",
    "\x00",
    "a\x00b",
    "é" * 300,
    "x" * 5000,
    "USD",
    "usd",
    "Europe/Berlin",
    "09:00",
    "24:00",
    "COMPLETED",
    "%s'--",
)


def messages(kind: Descriptor, ids: list[str]) -> st.SearchStrategy[Message]:
    """Messages of a type; its strings are often one of these ids."""
    make = message_factory.GetMessageClass(kind)
    return st.fixed_dictionaries({}, optional=_fields(kind, ids)).map(lambda values: make(**values))


def _fields(kind: Descriptor, ids: list[str]) -> dict[str, st.SearchStrategy[Any]]:
    if kind.full_name == "google.protobuf.Timestamp":  # far out of its range too, but mostly soon
        return {
            "seconds": st.sampled_from((-(2**63), -1, 0, 1_900_000_020, 1_900_000_000, 253_402_300_800, 2**63 - 1)),
            "nanos": st.sampled_from((-1, 0, 1, 2**31 - 1)),
        }
    return {field.name: _values(field, ids) for field in kind.fields}


def _values(field: FieldDescriptor, ids: list[str]) -> st.SearchStrategy[Any]:
    one = _one(field, ids)
    return st.lists(one, max_size=3) | st.lists(one, min_size=300, max_size=300) if field.is_repeated else one


def _one(field: FieldDescriptor, ids: list[str]) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return messages(field.message_type, ids)
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.sampled_from((*ids, *_WORDS)) | st.text(max_size=20) | st.uuids().map(_as_word)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=100)
    return st.sampled_from(_NUMBERS[field.type])


def _as_word(value: UUID) -> str:
    return str(value).upper() if value.int % 2 else str(value)
