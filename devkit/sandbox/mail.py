"""A mailbox for all addresses. It receives mail by SMTP, keeps the newest for `GET /_sandbox/mail`, and sends none on."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

from devkit.sandbox.wire.errors import Json

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_MAILS = 500
MOST_BYTES = 1024 * 1024


class Mailbox:
    """The newest mails. `print_line` gets one line for each."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._mails: deque[Json] = deque(maxlen=MOST_MAILS)

    def listed(self) -> Json:
        """The kept mails, oldest first."""
        return {"mails": list(self._mails)}

    def clear(self) -> None:
        self._mails.clear()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd calls this when a whole mail has arrived."""
        content = envelope.original_content or b""
        mail = email.message_from_bytes(content, EmailMessage, policy=email.policy.default)
        body = mail.get_body(("plain",))
        self._mails.append(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": str(mail["Subject"] or ""),
                "message_id": str(mail["Message-ID"] or "").strip(),
                "text": body.get_content().replace("\r\n", "\n") if body is not None else "",
                "received_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }
        )
        self._print_line(_one_line(f"mail to {', '.join(envelope.rcpt_tos)}: {mail['Subject']}"))
        return "250 kept"


def _one_line(text: str) -> str:
    """Text that somebody else wrote, as one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


@contextlib.asynccontextmanager
async def receiving(mailbox: Mailbox, host: str, port: int) -> AsyncIterator[int]:
    """Serve SMTP on this address while inside; yields the port. Port 0 means any. Raises OSError when it is taken."""
    from aiosmtpd.smtp import SMTP  # not at the top: the sandbox in containers receives no mail and has no aiosmtpd

    loop = asyncio.get_running_loop()

    def conversation() -> SMTP:
        return SMTP(mailbox, hostname="localhost", ident="tutormesh", data_size_limit=MOST_BYTES, loop=loop)

    server = await loop.create_server(conversation, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
