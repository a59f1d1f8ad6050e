"""The two channels by themselves, against real servers: what they send, what they believe, what they keep to themselves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks

from devkit.sandbox.mail import receiving
from payment_svc.domain.messages import TYPES, Audience, DeliveryRoute, Message
from payment_svc.domain.signing import sign, to_key
from payment_svc.notifications.email import Email, MailServer, parse_mail_server
from payment_svc.notifications.notifier import NotDelivered
from payment_svc.notifications.webhook import MOST_ANSWER_BYTES, Webhook, encode
from tests.notifications.conftest import SECRET, Post, Receiver, is_signed

STUDENT, TUTOR = UUID(int=0xA), UUID(int=0xB)
DATA: dict[str, Any] = {
    "bookingId": str(UUID(int=1)),
    "studentId": str(STUDENT),
    "tutorId": str(TUTOR),
    "startTime": "2026-11-24T10:00:00Z",
    "price": {"amountMinor": 2000, "currency": "JPY"},
    "refund": {"amountMinor": 1000, "currency": "JPY"},
}
MESSAGE = Message(
    id=UUID(int=7),
    route=DeliveryRoute("email", Audience.STUDENT),
    seq=1,
    type="booking.confirmed",
    subject_id=UUID(int=1),
    data=DATA,
    created_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
)


@contextlib.asynccontextmanager
async def answering(answer: bytes, *, endless: bytes = b"") -> AsyncIterator[tuple[str, list[int]]]:
    """An HTTP server of few words: its URL, and how many bytes of each endless answer it got rid of."""
    sent: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            while endless:
                writer.write(endless)
                await writer.drain()
                sent.append(len(endless))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", sent


async def told(url: str, timeout: float = 2.0, secret: str = SECRET) -> str:
    """What became of a webhook: "" or why it was not delivered."""
    channel = Webhook(url, secret, timeout)
    try:
        await channel.send(MESSAGE)
        return ""
    except NotDelivered as error:
        assert not error.definite
        return str(error)
    finally:
        await channel.close()


async def test_a_webhook_is_signed_over_its_very_bytes(receiver: Receiver) -> None:
    assert await told(receiver.url) == ""
    assert receiver.signatures == [True]
    (got,) = receiver.taken
    assert got == {"id": str(MESSAGE.id), "type": MESSAGE.type, "createdAt": "2026-11-21T09:00:00Z", "data": DATA}


@pytest.mark.parametrize("secret", [SECRET, "whsec_" + base64.b64encode(b"thirty-two bytes that nobody has").decode()])
async def test_the_library_of_standard_webhooks_believes_a_webhook(receiver: Receiver, secret: str) -> None:
    assert await told(receiver.url, secret=secret) == ""
    body, headers = receiver.requests[-1]
    key = secret if secret.startswith("whsec_") else secret.encode()
    assert standardwebhooks.Webhook(key).verify(body, headers)["id"] == headers["webhook-id"] == str(MESSAGE.id)
    for other_body, other_key in ((body.replace(b"2026", b"2027"), key), (body, b"another secret")):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(other_key).verify(other_body, headers)


def test_a_secret_that_only_looks_like_base64_is_refused() -> None:
    for secret in ("whsec_", "whsec_no base64 at all", "whsec_abc"):
        with pytest.raises(ValueError, match="base64"):
            to_key(secret)


def test_a_signature_of_another_secret_time_or_body_is_another() -> None:
    right = sign(SECRET, b"body", 5)
    others = {sign("another secret", b"body", 5), sign(SECRET, b"body", 6), sign(SECRET, b"bodY", 5)}
    assert right not in others and len(others) == 3
    assert is_signed(b"body", right, SECRET)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    async with answering(f"HTTP/1.1 307 Go\r\nlocation: {receiver.url}\r\ncontent-length: 0\r\n\r\n".encode()) as (
        url,
        _,
    ):
        before = len(receiver.arrived)
        assert await told(url) == "answered 307"
        assert len(receiver.arrived) == before


async def test_an_endless_answer_is_not_listened_to() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"x" * MOST_ANSWER_BYTES) as (url, sent):
        assert await told(url) == ""
        assert len(sent) < 5000  # what the kernel's buffers took


async def test_a_receivers_cookies_are_neither_kept_nor_sent() -> None:
    heads: list[bytes] = []

    async def bake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: crumb=1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(bake, "127.0.0.1", 0) as server:
        channel = Webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", SECRET, 2.0)
        await channel.send(MESSAGE)
        await channel.send(MESSAGE)
        await channel.close()
    assert len(heads) == 2 and b"cookie" not in heads[1].lower()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
        (b"HTTP/1.1 500 X\r\n\r\n", "answered 500"),
    ],
)
async def test_what_is_not_delivered_is_told_without_an_address(answer: bytes, word: str) -> None:
    async with answering(answer) as (url, _):
        assert await told(f"{url}?key=hidden") == word


async def test_nobody_at_the_address_and_nobody_who_answers_are_told_apart() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", endless=b"") as (url, _):
        pass
    assert await told(url) == "ConnectError"

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        assert await told(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 0.2) in (
            "TimeoutError",
            "ReadTimeout",
        )


def email_to(url: str, sender: str = "tutormesh <no-reply@mesh.example.com>") -> Email:
    return Email(parse_mail_server(url), sender, "{person_id}@people.example.com", 2.0)


async def test_a_mail_repeats_word_for_word(post: Post) -> None:
    channel = email_to(post.url)
    await channel.send(MESSAGE)
    await channel.send(MESSAGE)
    first, again = ({k: v for k, v in mail.items() if k != "received_at"} for mail in post.to(STUDENT)[-2:])
    assert first == again
    assert first["message_id"] == f"<{MESSAGE.id}.student@mesh.example.com>"
    await channel.close()


@pytest.mark.parametrize(("answer", "definite"), [("550 no such person", True), ("450 busy", False)])
async def test_a_mailbox_that_is_not_there_is_definite_and_a_busy_one_is_not(
    post: Post, answer: str, definite: bool
) -> None:
    post.answers[str(TUTOR)] = deque([answer])
    with pytest.raises(NotDelivered, match=f"recipient was refused: {answer[:3]}") as error:
        await email_to(post.url).send(replace(MESSAGE, route=DeliveryRoute("email", Audience.TUTOR)))
    assert error.value.definite is definite
    assert str(TUTOR) not in str(error.value)


class Grumpy(Post):
    """Refuses what mails say."""

    async def handle_DATA(self, *_: Any) -> str:
        return "554 spam"


async def test_words_that_are_refused_for_good_are_not_sent_again() -> None:
    async with receiving(Grumpy(), "127.0.0.1", 0) as port:
        with pytest.raises(NotDelivered, match="the mail was refused: 554") as error:
            await email_to(f"smtp://127.0.0.1:{port}").send(MESSAGE)
    assert error.value.definite


async def test_a_password_is_not_told_in_the_clear_nor_to_a_server_that_asks_for_none(post: Post) -> None:
    port = post.url.rpartition(":")[2]
    with pytest.raises(NotDelivered) as error:  # the mailbox knows no logins
        await email_to(f"smtp://me:hidden@127.0.0.1:{port}").send(MESSAGE)
    assert "hidden" not in str(error.value)
    assert parse_mail_server("smtp://me:hidden@mail.example.com").start_tls is True
    assert parse_mail_server("smtps://me:hidden@mail.example.com").start_tls is False
    assert parse_mail_server("smtp://mail.example.com").start_tls is None


def test_a_mail_server_is_read_from_its_url_and_hides_its_password() -> None:
    server = parse_mail_server("smtps://me%40x:p%2Fw@mail.example.com")
    assert server == MailServer("mail.example.com", 465, True, "me@x", "p/w")
    assert "p/w" not in repr(server)


@pytest.mark.parametrize("url", ["mail", "http://h:25", "smtp://", "smtp://u@h", "smtp://h:99999", "smtp://h/path"])
def test_what_is_no_mail_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="must look like smtp://user:password@host:port") as error:
        parse_mail_server(url)
    assert url not in str(error.value) or url == "smtp://"


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_a_webhook_has_the_link_of_each_person_and_a_message_keeps_none(kind: str) -> None:
    def manage_url(message: Message) -> str:
        return f"https://app.example.org/manage/{message.route.audience}" if "refused" not in message.data else ""

    message = replace(MESSAGE, type=kind, route=DeliveryRoute("webhook", Audience.EVERYBODY))
    data = json.loads(encode(message, manage_url))["data"]
    urls = {f"{person}ManageUrl": f"https://app.example.org/manage/{person}" for person in ("student", "tutor")}
    assert data == DATA | urls and message.data == DATA
    without = json.loads(encode(replace(message, data=DATA | {"refused": 1}), manage_url))["data"]
    assert not without.keys() & urls.keys()


def test_the_same_message_is_the_same_bytes() -> None:
    assert encode(MESSAGE) == encode(replace(MESSAGE, attempt=9, data=dict(reversed(DATA.items()))))
