"""What a page says when there is nothing to show: the link does not work, or not now."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.http import envelope
from bff.http.rate_limits import RateLimited
from bff.pages.asking import Handler
from bff.pages.render import page
from mesh.errors import CallFailed, Refusal, describe
from mesh.logs import log

#: HTTP statuses that say that the link itself is at fault. It is told as one thing: nobody learns what was wrong.
_GONE: Final = frozenset({400, 403, 404, 409, 422})


async def page_or_problem(request: Request, route: str, serve: Handler) -> Response:
    """The page, or a page that says in words why there is none. `route` is its template, for the log."""
    try:
        return await serve(request)
    except RateLimited as error:
        return problem(request, 429, "busy", error.retry_after)
    except Refusal as error:
        if envelope.status_of(error) in _GONE:
            return problem(request, 404, "gone")
        log().warning("page_not_available", route=route, **describe(error))
        return problem(request, 503, "away", error.retry_after)
    except (CallFailed, TimeoutError) as error:
        log().warning("page_not_available", route=route, **describe(error))
        return problem(request, 503, "away")


def problem(request: Request, status: int, what: str, retry_after: float = 0.0) -> Response:
    """The page that says what is the matter: gone, away, busy."""
    answer = page(request, "problem.html", status=status, what=what)
    if status in (429, 503):
        answer.headers["retry-after"] = str(max(1, round(retry_after or envelope.RETRY_AFTER)))
    return answer
