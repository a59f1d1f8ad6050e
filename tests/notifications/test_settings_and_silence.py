"""Where nothing is configured nobody is told and no row is written; where it is configured badly nothing starts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from mesh import logs
from mesh.settings import load
from payment_svc.settings import Settings
from tests.notifications.conftest import SECRET, only_replica
from tests.payment.faults import sold
from tests.people import People, wait_until
from tests.world import World

ROOT = Path(__file__).parents[2]
HOOK, MAIL = "http://127.0.0.1:9/hook?key=hidden-key", "smtp://me:hidden-word@127.0.0.1:9"
MAIL_PEOPLE = {"NOTIFY_EMAIL_FROM": "mesh@example.com", "NOTIFY_EMAIL_TO": "{person_id}@example.com"}


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """No channel at all."""
    return {}


def told(tmp_path: Path, auth_settings: dict[str, Any], **more: str) -> dict[str, str]:
    (tmp_path / "token").write_text("a.b.c")
    return {
        **{name.upper(): str(value) for name, value in auth_settings.items()},
        "DATABASE_URL": "postgresql+asyncpg://user@127.0.0.1:1/payment",
        "PORT": "0",
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "SERVICE_TOKEN_FILE": str(tmp_path / "token"),
        **more,
    }


BAD = [
    ({"NOTIFY_WEBHOOK_URL": HOOK}, "NOTIFY_WEBHOOK_SECRET"),
    ({"NOTIFY_WEBHOOK_URL": HOOK, "NOTIFY_WEBHOOK_SECRET": "short"}, "NOTIFY_WEBHOOK_SECRET"),
    ({"NOTIFY_WEBHOOK_URL": "ftp://x/hidden", "NOTIFY_WEBHOOK_SECRET": SECRET}, "NOTIFY_WEBHOOK_URL"),
    ({"NOTIFY_WEBHOOK_URL": "http://x y/hidden", "NOTIFY_WEBHOOK_SECRET": SECRET}, "NOTIFY_WEBHOOK_URL"),
    ({"NOTIFY_TIMEOUT_SECONDS": "0"}, "NOTIFY_TIMEOUT_SECONDS"),
    ({"SMTP_URL": "http://hidden:25", **MAIL_PEOPLE}, "SMTP_URL"),
    ({"SMTP_URL": MAIL, "NOTIFY_EMAIL_TO": MAIL_PEOPLE["NOTIFY_EMAIL_TO"]}, "NOTIFY_EMAIL_FROM"),
    ({"SMTP_URL": MAIL, "NOTIFY_EMAIL_FROM": "mesh@example.com"}, "NOTIFY_EMAIL_TO"),
    ({"SMTP_URL": MAIL, **MAIL_PEOPLE, "NOTIFY_EMAIL_TO": "everybody@example.com"}, "NOTIFY_EMAIL_TO"),
    ({"SMTP_URL": MAIL, **MAIL_PEOPLE, "NOTIFY_EMAIL_FROM": "a@b.c\nBcc: x@y.z"}, "NOTIFY_EMAIL_FROM"),
]


@pytest.mark.parametrize(("given", "name"), BAD, ids=[f"{name} {number}" for number, (_, name) in enumerate(BAD)])
def test_a_bad_setting_is_named_and_its_value_is_not(
    given: dict[str, str],
    name: str,
    tmp_path: Path,
    auth_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for key, value in told(tmp_path, auth_settings, **given).items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(f"{name}: ") and said.count("\n") == 1
    assert "hidden" not in said and SECRET not in said


async def test_a_process_whose_webhooks_could_not_be_signed_does_not_start(
    tmp_path: Path, auth_settings: dict[str, Any]
) -> None:
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "generated")))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "payment_svc"),
        cwd=tmp_path,
        env=told(tmp_path, auth_settings, NOTIFY_WEBHOOK_URL=HOOK) | paths,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, said.count(b"\n")) == (2, 1)
    assert said.startswith(b"NOTIFY_WEBHOOK_SECRET: ")


async def test_where_no_channel_is_configured_nothing_is_written(people: People) -> None:
    booked = await sold(people)
    await people.cancel(booked)
    await people.at_rest()
    assert len(await people.refund_rows(booked)) == 1
    assert await people.world.sql("payment", "select * from notification") == []


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """What payment_svc logs from here on, as JSON lines."""
    path = tmp_path / "log"
    with path.open("w") as file:
        logs.configure("payment", "json")
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file), cache_logger_on_first_use=False)
        yield path
        logs.configure("test", "console")
        structlog.contextvars.unbind_contextvars("service")


async def test_no_secret_no_address_and_no_content_is_logged(people: People, world: World, log: Path) -> None:
    channels = {"notify_webhook_url": HOOK, "notify_webhook_secret": SECRET, "smtp_url": MAIL}
    addresses = {"notify_email_from": "mesh@example.com", "notify_email_to": "{person_id}@example.com"}
    await only_replica(world, **channels, **addresses)
    booked = await sold(people)
    ask = "select 1 from notification where error <> ''"
    await wait_until(lambda: people.world.sql("payment", ask), lambda found: len(found) == 3)
    await people.world.sql("payment", "update notification set tried_since = '2026-01-01', wake_at = clock_timestamp()")
    await wait_until(lambda: people.world.sql("payment", ask + " and status = 'DEAD'"), lambda found: len(found) == 3)
    await only_replica(world)
    told = log.read_text()  # noqa: ASYNC240 - a small file
    assert told.count('"event": "notification_dead"') == 3 and '"alert": true' in told
    for word in ("hidden", SECRET, f"{booked.student}@", "/hook", "127.0.0.1:9"):
        assert word not in told
