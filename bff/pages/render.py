"""An answer that is a page: a template, the reader's texts, and headers that let nothing else run or look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from bff.pages.languages import Reader, reader_of

#: What a page may load and do (CSP Level 3). No inline script, style or handler runs.
_POLICY: Final[Mapping[str, tuple[str, ...]]] = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "font-src": ("'self'",),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
#: A page may hold a secret: it is kept nowhere, framed nowhere, and its address is told to nobody.
HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin-allow-popups",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def content_security_policy(added: Mapping[str, Iterable[str]] | None = None) -> str:
    """The policy of a page. `added` names further sources: `{"script-src": ["https://js.stripe.com"]}`."""
    extra = added or {}
    directives = {**_POLICY, **{name: (*_POLICY.get(name, ()), *sources) for name, sources in extra.items()}}
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    reader: Reader | None = None,
    policy: Mapping[str, Iterable[str]] | None = None,
    **values: object,
) -> Response:
    """The template as a page in the reader's language.

    The template has `reader`, `t` (a text by its key, with its values), and the given values, all of them escaped.
    `policy` is what `content_security_policy` adds.
    """
    reader = reader or reader_of(request)
    text = _TEMPLATES.get_template(template).render(reader=reader, t=reader.text, **values)
    headers = {
        **HEADERS,
        "content-language": reader.language,
        "content-security-policy": content_security_policy(policy),
    }
    response = Response(text, status, headers=headers, media_type="text/html")
    response.headers.add_vary_header("accept-language")
    return response
