"""Logs: JSON lines or a console. Each line says what it is about, and no line has a secret."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import structlog

from mesh import calls, tracing

REDACTED = "[redacted]"
_SECRET_KEYS = re.compile(r"secret|token|authorization|password|api_?key|cookie|signature|jwt|payload", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"(pi|seti)_\w+_secret_\w+"  # Stripe client secrets
    r"|\b(sk|rk|whsec)_[\w+/=-]+"  # Stripe keys
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # JWTs
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # passwords in URLs
    r"|(?<=[Bb]earer )\S+"
    r"|lk_[\w-]{20,}"  # tokens of links to pages
)
#: A text that _SECRET_VALUES finds something in has at least one of these. Most texts are ids and numbers and have none.
_MARKS = ("_", "eyJ", "://", "earer ")


def _redact_text(text: str) -> str:
    for mark in _MARKS:
        if mark in text:
            return _SECRET_VALUES.sub(REDACTED, text)
    return text


@lru_cache(4096)
def _is_secret_key(key: str) -> bool:
    return _SECRET_KEYS.search(key) is not None


def redact(value: Any) -> Any:
    """The value with REDACTED for every part that looks like a secret. The rest of a text stays."""
    if isinstance(value, str):
        return _redact_text(value)
    if isinstance(value, dict):
        return {key: REDACTED if _is_secret_key(str(key)) else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _redact_text(str(value))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = REDACTED if _is_secret_key(key) else redact(value)
    return event


def _add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The ids of request and trace, and of what it is about. What the line says itself comes first."""
    call, trace_id = calls.current(), tracing.trace_id()
    traced = {"trace_id": trace_id} if trace_id else {}
    for name, value in {"request_id": call.request_id, **traced, **call.ids}.items():
        event.setdefault(name, value)
    return event


def _name_alert(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The console's lines have `alert=true`, so that both formats are found by a text that the documentation names."""
    if event.get("alert") is True:
        event["alert"] = "true"
    return event


def configure(service: str, log_format: str) -> None:
    """Set up this process's logs as "json" (a line each) or "console". Records of the standard library go there too."""
    console = log_format == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if console else "iso", utc=True),
        _add_context,
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if console else structlog.processors.JSONRenderer()
    if console:
        shared.append(_name_alert)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    if not console:
        structlog.contextvars.bind_contextvars(service=service)
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_remove_meta, renderer])
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_STRANGERS)


class _WithoutStrangersTracebacks(logging.Filter):
    """gRPC logs a traceback for metadata that is not UTF-8, and for a client that leaves while or before it is answered.

    Anybody can cause both, as often as they like, and neither is a fault of ours.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        known = isinstance(error, UnicodeDecodeError | asyncio.CancelledError)
        return not known and type(error).__name__ != "ExecuteBatchError"


_STRANGERS = _WithoutStrangersTracebacks()


def _remove_meta(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(logger, name, event)


def log() -> Any:
    """This process's logger: `log().info("event_in_past_tense", key=value)`."""
    return structlog.get_logger()
