"""A mailbox for all addresses. It receives mail by SMTP, keeps the newest, and sends none on."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

from devkit.sandbox.wire.errors import Json

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_MAILS = 500
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A received mail. `number` counts the mails of this process."""

    number: int
    sender: str
    to: list[str]
    received_at: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def attachments(self) -> list[Attachment]:
        parts = self.message.iter_attachments() if self.message.is_multipart() else ()
        return [
            Attachment(part.get_filename() or "attachment", part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
            for part in parts
        ]

    @property
    def listed(self) -> Json:
        """What `GET /_sandbox/mail` tells of it."""
        return {
            "from": self.sender,
            "to": self.to,
            "subject": self.subject,
            "message_id": str(self.message["Message-ID"] or "").strip(),
            "text": self.text,
            "received_at": self.received_at,
        }

    def _body(self, subtype: str) -> str:
        body = self.message.get_body((subtype,))
        return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


class Mailbox:
    """The newest mails. `print_line` gets one line for each."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._mails: deque[Mail] = deque(maxlen=MOST_MAILS)
        self._received = 0

    def listed(self) -> Json:
        """The kept mails, oldest first."""
        return {"mails": [mail.listed for mail in self._mails]}

    def mails(self) -> list[Mail]:
        """The same, whole."""
        return list(self._mails)

    def find(self, number: int) -> Mail | None:
        return next((mail for mail in self._mails if mail.number == number), None)

    def clear(self) -> None:
        self._mails.clear()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd calls this when a whole mail has arrived."""
        content = envelope.original_content or b""
        message = email.message_from_bytes(content, EmailMessage, policy=email.policy.default)
        self._received += 1
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        sender = envelope.mail_from or ""
        self._mails.append(Mail(self._received, sender, list(envelope.rcpt_tos), received_at, message))
        self._print_line(_one_line(f"mail to {', '.join(envelope.rcpt_tos)}: {message['Subject']}"))
        return "250 kept"


def _one_line(text: str) -> str:
    """Text that somebody else wrote, as one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


@contextlib.asynccontextmanager
async def receiving(mailbox: Mailbox, host: str, port: int) -> AsyncIterator[int]:
    """Serve SMTP on this address while inside; yields the port. Port 0 means any. Raises OSError when it is taken."""
    from aiosmtpd.smtp import SMTP  # not at the top: only a sandbox with a mailbox needs it

    loop = asyncio.get_running_loop()

    def conversation() -> SMTP:
        return SMTP(mailbox, hostname="localhost", ident="tutormesh", data_size_limit=MOST_BYTES, loop=loop)

    server = await loop.create_server(conversation, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
