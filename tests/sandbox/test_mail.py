"""The sandbox's mailbox receives mail by SMTP, shows it, prints one line for each, and sends none on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from devkit.ports import reserve_port
from devkit.sandbox.app import build
from devkit.sandbox.mail import MOST_MAILS, Mailbox, receiving
from devkit.sandbox.settings import InvalidSetting, Settings, load
from tests.sandbox.conftest import serving


def mail(subject: str = "Lesson confirmed", text: str = "See you.") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "mesh <mesh@example.com>", "student@example.com"
    message["Subject"], message["Message-ID"] = subject, "<1@example.com>"
    message.set_content(text)
    return message


async def send(port: int, message: EmailMessage) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port, timeout=5)


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """A sandbox that receives mail: its URL and its SMTP port."""
    port = reserve_port()
    async with serving(build(Settings(data=str(tmp_path), smtp_port=port))) as url:
        yield url, port


async def test_a_message_id_that_was_folded_over_two_lines_is_shown_whole(box: tuple[str, int]) -> None:
    url, port = box
    text = b"From: mesh@example.com\r\nSubject: Lesson\r\nMessage-ID:\r\n <1@example.com>\r\n\r\nSee you.\r\n"
    people = {"sender": "mesh@example.com", "recipients": ["student@example.com"]}
    await aiosmtplib.send(text, hostname="127.0.0.1", port=port, timeout=5, **people)
    async with httpx.AsyncClient() as http:
        (kept,) = (await http.get(f"{url}/_sandbox/mail")).json()["mails"]
    assert kept["message_id"] == "<1@example.com>"


async def test_a_mail_is_shown_and_printed_in_one_line(
    box: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    url, port = box
    await send(port, mail("Stunde bestätigt", "Grüße\n"))
    async with httpx.AsyncClient() as http:
        (kept,) = (await http.get(f"{url}/_sandbox/mail")).json()["mails"]
        assert kept.pop("received_at")
        assert kept == {
            "from": "mesh@example.com",
            "to": ["student@example.com"],
            "subject": "Stunde bestätigt",
            "message_id": "<1@example.com>",
            "text": "Grüße\n",
        }
        assert (await http.delete(f"{url}/_sandbox/mail")).json() == {"mails": []}
    assert capsys.readouterr().out == "mail to student@example.com: Stunde bestätigt\n"


async def test_the_mailbox_shows_a_mail_without_letting_it_do_anything(box: tuple[str, int]) -> None:
    url, port = box
    sent = mail("<script>alert(1)</script>")
    sent.add_alternative(
        "<html><head></head><body><script>alert(1)</script><a href='https://e.example'>x</a></body></html>", "html"
    )
    sent.add_attachment(b"BEGIN:VCALENDAR", maintype="application", subtype="ics", filename="in\u202evite <b>.ics")
    await send(port, sent)
    async with httpx.AsyncClient(base_url=url) as http:
        listed, opened, body = [await http.get(path) for path in ("/mailbox", "/mailbox/1", "/mailbox/1/body")]
        text, headers = [(await http.get(f"/mailbox/1?view={view}")).text for view in ("text", "headers")]
        attached = await http.get("/mailbox/1/attachments/0")
        for path in ("/mailbox/2", "/mailbox/1/attachments/1", "/mailbox/2/body"):
            assert (await http.get(path)).status_code == 404
    for page in (listed, opened):
        assert "&lt;script&gt;alert(1)" in page.text and "<script" not in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    policy = body.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy and "allow-scripts" not in policy and "script-src" not in policy
    assert '<base target="_blank">' in body.text
    assert "See you." in text and "&lt;1@example.com&gt;" in headers
    assert attached.content == b"BEGIN:VCALENDAR" and attached.headers["content-disposition"].startswith("attachment;")


async def test_only_the_newest_mails_are_kept() -> None:
    box = Mailbox(lambda _: None)
    async with receiving(box, "127.0.0.1", 0) as port, aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as client:
        for number in range(MOST_MAILS + 3):
            await client.send_message(mail(str(number)))
    subjects = [kept["subject"] for kept in box.listed()["mails"]]
    assert (len(subjects), subjects[0], subjects[-1]) == (MOST_MAILS, "3", str(MOST_MAILS + 2))


async def test_any_subject_is_printed_in_one_line() -> None:
    lines: list[str] = []
    box = Mailbox(lines.append)
    async with receiving(box, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        folded = b"Subject: one\r\n two\x1b[31m\r\n\r\nbody\r\n.\r\n"
        for line in (
            b"EHLO me\r\n",
            b"MAIL FROM:<a@b.c>\r\n",
            b"RCPT TO:<d@e.f>\r\n",
            b"DATA\r\n",
            folded,
            b"QUIT\r\n",
        ):
            writer.write(line)
            await writer.drain()
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    (line,) = lines
    assert "\n" not in line and "\x1b" not in line


async def test_without_a_port_the_sandbox_receives_no_mail(tmp_path: Path) -> None:
    async with serving(build(Settings(data=str(tmp_path)))) as url, httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/_sandbox/mail")).json() == {"mails": []}


async def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        async with receiving(Mailbox(lambda _: None), "127.0.0.1", taken.getsockname()[1]):
            pass


def test_a_bad_port_is_named() -> None:
    assert load({"SANDBOX_SMTP_PORT": "12125"}).smtp_port == 12125
    with pytest.raises(InvalidSetting, match="SANDBOX_SMTP_PORT"):
        load({"SANDBOX_SMTP_PORT": "many"})
