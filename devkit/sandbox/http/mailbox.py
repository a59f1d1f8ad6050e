"""`GET /mailbox`: the received mails, as a mail program shows them. No script runs, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from devkit.sandbox.mail import Mailbox

_FOLDER = Path(__file__).parent / "mailbox_pages"
_PAGE = """default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none';
 frame-ancestors 'none'""".replace("\n", "")
#: What a mail may do in its frame: show its own styles, and open a link in a new tab when it is followed.
_BODY = """default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';
 frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox""".replace("\n", "")
_VIEWS = ("html", "text", "headers")


class MailboxPages:
    """The pages of a mailbox."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        loader = FileSystemLoader(_FOLDER)
        self._environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

    def routes(self) -> list[Route]:
        return [
            Route("/mailbox", self._list),
            Route("/mailbox/mailbox.css", self._style),
            Route("/mailbox/{number:int}", self._show),
            Route("/mailbox/{number:int}/body", self._body),
            Route("/mailbox/{number:int}/attachments/{index:int}", self._attachment),
        ]

    async def _list(self, _: Request) -> Response:
        return self._page(None, "html")

    async def _style(self, _: Request) -> Response:
        return _guarded(Response((_FOLDER / "mailbox.css").read_text(), media_type="text/css"), _PAGE)

    async def _show(self, request: Request) -> Response:
        view = request.query_params.get("view", "html")
        return self._page(request.path_params["number"], view if view in _VIEWS else "html")

    async def _body(self, request: Request) -> Response:
        mail = self._mailbox.find(request.path_params["number"])
        if mail is None or not mail.html:
            return _missing()
        page = re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', mail.html, count=1, flags=re.IGNORECASE)
        return _guarded(HTMLResponse(page), _BODY)

    async def _attachment(self, request: Request) -> Response:
        mail = self._mailbox.find(request.path_params["number"])
        found = mail.attachments if mail is not None else []
        index = request.path_params["index"]
        if index >= len(found):
            return _missing()
        name = quote(found[index].name, safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return _guarded(Response(found[index].content, headers=headers, media_type="application/octet-stream"), _PAGE)

    def _page(self, number: int | None, view: str) -> Response:
        opened = self._mailbox.find(number) if number is not None else None
        if number is not None and opened is None:
            return _missing()
        mails = list(reversed(self._mailbox.mails()))
        view = "text" if opened is not None and view == "html" and not opened.html else view
        page = self._environment.get_template("mailbox.html").render(mails=mails, opened=opened, view=view)
        return _guarded(HTMLResponse(page), _PAGE)


def _missing() -> Response:
    return _guarded(PlainTextResponse("no such mail", 404), _PAGE)


def _guarded(response: Response, policy: str) -> Response:
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
