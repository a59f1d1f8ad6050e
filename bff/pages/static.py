"""GET /pages/{file}: the style sheets and scripts of the pages, as they lie in `static/`."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {".css": "text/css", ".gql": "application/graphql", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's bytes, its media type, and a tag that changes with its bytes."""

    content: bytes
    media_type: str
    etag: str
    #: The bytes as gzip packs them.
    packed: bytes


def _load(folder: Path) -> dict[str, StaticFile]:
    """Every file of a known type, by its path in the folder. What is not here is not served."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): _read(path) for path in files}


def _read(path: Path) -> StaticFile:
    return make_file(path.read_bytes(), _TYPES[path.suffix])


def make_file(content: bytes, media_type: str) -> StaticFile:
    """A file of these bytes."""
    return StaticFile(content, media_type, f'"{sha256(content).hexdigest()[:32]}"', gzip.compress(content, mtime=0))


FILES: Final = _load(Path(__file__).with_name("static"))


def send_file(request: Request, name: str) -> Response:
    """This file, or 304 when the client has it. Raises HTTPException (404).

    The client asks each time, for the file's tag: a page and its scripts must come from the same version.
    """
    file = FILES.get(name)
    if file is None:
        raise HTTPException(404)
    return answer(request, file)


def answer(request: Request, file: StaticFile) -> Response:
    """The file, or 304."""
    headers = {
        "etag": file.etag,
        "cache-control": "no-cache",
        "cross-origin-resource-policy": "same-origin",
        "vary": "accept-encoding",
    }
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers=headers | {"content-encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


def serve_files(hidden: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of `/pages/{file:path}`. Folders that are hidden here have no files."""

    async def serve(request: Request) -> Response:
        name = request.path_params["file"]
        if name.startswith(hidden):
            raise HTTPException(404)
        return send_file(request, name)

    return serve
