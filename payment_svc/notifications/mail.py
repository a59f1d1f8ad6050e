"""A message as a mail: its words as plain text and as HTML, and the lesson for the calendar.

| part | for |
|---|---|
| text/plain, text/html, text/calendar, as alternatives | people, and mail programs that offer invitations |
| invite.ics, attached | calendars that are fed by hand |
"""

from __future__ import annotations

import email.policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from payment_svc.domain.messages import Message
from payment_svc.notifications.invitation import Invitation, write_invitation
from payment_svc.notifications.letters import Letter, write_letter

#: Bodies are encoded in lines of RFC 2045. No header is folded that programs compare, such as Message-ID.
_BODIES = email.policy.SMTP
_HEADERS = _BODIES.clone(max_line_length=200)
_TEMPLATES = Path(__file__).parent / "templates"


def write_mail(message: Message, sender: str, recipient: str, manage_url: str) -> EmailMessage:
    """The mail. It is the same on every try, so that a receiver that knows its Message-ID can drop the repeat."""
    invitation = write_invitation(message, sender, recipient)
    letter = write_letter(message, manage_url, notes=(invitation.note,) if invitation else ())
    mail = EmailMessage(policy=_BODIES)
    mail.set_content(render_text(letter), cte="quoted-printable")
    mail.add_alternative(render_html(letter), subtype="html", cte="quoted-printable")
    if invitation is not None:
        _attach(mail, invitation)
    _fix_boundaries(mail, message)
    mail.policy = _HEADERS
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<{message.id}.{message.route.audience}@{_domain(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = letter.language.code
    return mail


def render_text(letter: Letter) -> str:
    return _environment().get_template("mail.txt").render(letter=letter)


def render_html(letter: Letter) -> str:
    return _environment().get_template("mail.html").render(letter=letter)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


def _attach(mail: EmailMessage, invitation: Invitation) -> None:
    """Gmail and Outlook read the alternative, which names its method; the attached file is for all others."""
    method = {"method": invitation.method}
    mail.add_alternative(invitation.ics, subtype="calendar", params=method, cte="base64")
    mail.add_attachment(invitation.ics.encode(), maintype="application", subtype="ics", filename="invite.ics")


def _fix_boundaries(mail: EmailMessage, message: Message) -> None:
    """Equal messages have equal bytes. No part can contain a boundary: neither encoding writes "=_" (RFC 2045, 6.7)."""
    for number, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{number}_{message.id.hex}")


@cache
def _environment() -> Environment:
    """The templates; one of HTML escapes what it shows."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
