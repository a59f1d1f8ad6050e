"""What a call is about: the ids of the booking, saga, payment and intent, for the log lines of every service.

The ids belong to the current call (mesh.calls). They come from the messages that it receives and sends, and from code
that knows more. A caller hands them to its callee in the metadata `x-about`, so that one id finds the lines of all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from mesh import calls

METADATA = "x-about"
#: By the name of a message's field, the name in a log line.
_FIELDS = {
    "booking_id": "booking_id",
    "enrollment_id": "enrollment_id",
    "session_id": "session_id",
    "saga_id": "saga_id",
    "payment_id": "payment_id",
    "payment_intent_id": "intent_id",
}
#: A batch of one is about that one. What is read with others belongs to no one line.
_BATCHES = {
    f"{name}s": told
    for name, told in _FIELDS.items()
    if name in ("booking_id", "enrollment_id", "session_id", "payment_id")
}
#: Things that are a field of a message: their field `id`, and the fields above, are ids of the call too.
_THINGS = ("booking", "enrollment", "session", "saga", "payment")
NAMES = frozenset(_FIELDS.values())
#: UUIDs, and the ids of providers.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
MOST_CHARACTERS = 512
Path = tuple[str, ...]


def bind(ids: Mapping[str, object]) -> None:
    """The current call is about these, whatever was known before. Names are those of NAMES; None is not known."""
    calls.current().ids.update(_valid(ids))


def learn(ids: Mapping[str, object]) -> None:
    """The current call is about these too. What is known already stays: a call that reads several is about the first."""
    known = calls.current().ids
    for name, value in _valid(ids).items():
        known.setdefault(name, value)


@contextlib.contextmanager
def about(ids: Mapping[str, object]) -> Iterator[None]:
    """Within this block, work is about these ids. For background work that takes one thing after another."""
    call = calls.current()
    with calls.entered(replace(call, ids={**call.ids, **_valid(ids)})):
        yield


def ids_of(message: object) -> dict[str, str]:
    """The ids that a message has; none of what is no message."""
    found: dict[str, str] = {}
    if not isinstance(message, Message):
        return found
    for name, path in _paths(message.DESCRIPTOR):
        *things, field = path
        holder: Any = message
        if things and not message.HasField(things[0]):
            continue
        for thing in things:
            holder = getattr(holder, thing)
        value = getattr(holder, field)
        if field in _BATCHES:
            value = value[0] if len(value) == 1 else ""
        if value:
            found.setdefault(name, value)
    return found


def to_metadata(sent: Mapping[str, str]) -> str:
    """The ids of the current call, and of the message that it sends, for the callee; empty when there are none."""
    return ",".join(f"{name}={value}" for name, value in {**calls.current().ids, **_valid(sent)}.items())


def from_metadata(text: str) -> dict[str, str]:
    """The ids that a caller hands on. What is none is left out: it is for reading logs, and nothing depends on it."""
    parts = (part.partition("=") for part in text[:MOST_CHARACTERS].split(","))
    return _valid({name: value for name, _, value in parts})


def _valid(ids: Mapping[str, object]) -> dict[str, str]:
    texts = {name: str(value) for name, value in ids.items() if name in NAMES and value is not None}
    return {name: text for name, text in texts.items() if _ID.fullmatch(text)}


@cache
def _paths(descriptor: Descriptor) -> tuple[tuple[str, Path], ...]:
    """Where the ids of a message are: (name in the log, path of its field)."""
    return (*_own_paths(descriptor), *(path for thing in _THINGS for path in _paths_in(descriptor, thing)))


def _own_paths(descriptor: Descriptor) -> list[tuple[str, Path]]:
    fields = descriptor.fields_by_name
    texts = [name for name in _FIELDS if name in fields and _is_text(fields[name])]
    batches = [name for name in _BATCHES if name in fields]
    return [(told, (name,)) for name, told in (_FIELDS | _BATCHES).items() if name in (*texts, *batches)]


def _paths_in(descriptor: Descriptor, thing: str) -> list[tuple[str, Path]]:
    field = descriptor.fields_by_name.get(thing)
    if field is None or field.message_type is None or field.is_repeated:
        return []
    inner = field.message_type
    own = [(f"{thing}_id", (thing, "id"))] if "id" in inner.fields_by_name else []
    return [*own, *((told, (thing, *path)) for told, path in _own_paths(inner))]


def _is_text(field: FieldDescriptor) -> bool:
    return field.type == field.TYPE_STRING and not field.is_repeated
