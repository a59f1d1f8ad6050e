"""The sandbox's mailbox in a real browser: a list of mails, and a mail as its reader sees it."""

from __future__ import annotations

import aiosmtplib
import pytest

from devkit.ports import reserve_port
from devkit.sandbox.app import build
from devkit.sandbox.settings import Settings
from payment_svc.notifications.mail import write_mail
from tests.notifications.test_mails import message
from tests.pages.accessibility import assert_accessible
from tests.pages.browser import visiting
from tests.pages.test_every_page import JUMPS, MOST_JUMPS, NARROW, SIDEWAYS, WATCH_JUMPS, WIDE
from tests.sandbox.conftest import serving


@pytest.mark.parametrize(("locale", "size"), [("en-GB", WIDE), ("de-DE", NARROW)])
async def test_the_mailbox_and_a_mail_in_it_have_no_barrier_and_no_jump(chromium, tmp_path, locale, size):
    port = reserve_port()
    async with (
        serving(build(Settings(data=str(tmp_path), smtp_port=port))) as url,
        visiting(chromium, url, locale=locale, viewport=size) as visitor,
    ):
        page = visitor.page
        await page.add_init_script(WATCH_JUMPS)
        await page.goto(f"{url}/mailbox")
        await assert_accessible(page)
        mail = write_mail(message(), "mesh@example.com", "sam@example.com", f"{url}/manage/none")
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=port, timeout=5)
        await page.reload()
        await page.get_by_role("link", name="sam@example.com").click()
        await page.frame_locator("iframe").locator("body").wait_for()
        await assert_accessible(page)
        assert await page.evaluate(SIDEWAYS) == []
        assert sum(jump["by"] for jump in await page.evaluate(JUMPS)) < MOST_JUMPS
