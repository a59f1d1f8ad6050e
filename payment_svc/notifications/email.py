"""E-mail by SMTP: one mail to the student and one to the tutor. The only file that knows aiosmtplib."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from payment_svc.domain.messages import Audience, Message
from payment_svc.notifications.mail import write_mail
from payment_svc.notifications.notifier import ManageUrl, NotDelivered, link_nowhere

_PORTS = {"smtp": 587, "smtps": 465}
_LOOKS = "must look like smtp://user:password@host:port or smtps://…"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server. `tls`: encrypted from the first byte on (smtps)."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def start_tls(self) -> bool | None:
        """True: encrypt the connection before a password is sent. None: encrypt it when the server can."""
        if self.tls:
            return False
        return True if self.username and self.host not in _LOOPBACK else None


def parse_mail_server(url: str) -> MailServer:
    """The server in smtp[s]://[user:password@]host[:port]. Raises ValueError that does not repeat the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        raise ValueError(_LOOKS) from None
    if (
        parts.scheme not in _PORTS
        or not host
        or not port
        or parts.path.strip("/")
        or (parts.username is None) != (parts.password is None)
    ):
        raise ValueError(_LOOKS)
    user, password = parts.username, parts.password
    return MailServer(
        host,
        port,
        parts.scheme == "smtps",
        unquote(user) if user is not None else None,
        unquote(password) if password is not None else None,
    )


class Email:
    """The channel `email`. `to` is an address with {person_id} in it: only the user service knows people's addresses."""

    channel = "email"
    audiences = (Audience.STUDENT, Audience.TUTOR)

    def __init__(
        self, server: MailServer, sender: str, to: str, timeout: float, manage_url: ManageUrl = link_nowhere
    ) -> None:
        self.timeout = timeout
        self._server, self._sender, self._to, self._manage_url = server, sender, to, manage_url

    async def send(self, message: Message) -> None:
        """Raises NotDelivered. It is definite when the server refuses this mail for good (5xx)."""
        mail = self.mail(message)
        try:
            async with asyncio.timeout(self.timeout):
                await self._submit(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0].code
            raise NotDelivered(f"the recipient was refused: {refused}", definite=refused >= 500) from None
        except aiosmtplib.SMTPDataError as error:
            raise NotDelivered(f"the mail was refused: {error.code}", definite=error.code >= 500) from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotDelivered(f"{type(error).__name__} {error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotDelivered(type(error).__name__) from None

    async def close(self) -> None:
        """Nothing is kept open between mails."""

    def mail(self, message: Message) -> EmailMessage:
        """The mail to the message's person, with their link."""
        recipient = self._to.format(person_id=message.data[f"{message.route.audience}Id"])
        return write_mail(message, self._sender, recipient, self._manage_url(message))

    async def _submit(self, mail: EmailMessage) -> None:
        await aiosmtplib.send(
            mail,
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.tls,
            start_tls=self._server.start_tls,
            timeout=self.timeout,
        )
