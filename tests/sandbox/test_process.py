"""The sandbox as a process: settings, restarts, a kill, a clean stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from devkit.ports import reserve_port
from devkit.sandbox.settings import InvalidSetting, load

FORM = {"amount": "5000", "currency": "usd"}
KEY = {"Authorization": "Bearer sk_test_sandbox"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=KEY) as client:
        yield client


async def start(port: int, data: Path, **more: str) -> Process:
    environment = {**os.environ, "SANDBOX_PORT": str(port), "SANDBOX_DATA": str(data), **more}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devkit.sandbox", env=environment, stdout=PIPE, stderr=PIPE
    )


async def listening(process: Process) -> None:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert line.startswith(b"Stripe sandbox on http://127.0.0.1:"), line


async def test_state_survives_a_kill_and_a_stop_is_fast_and_silent(tmp_path, http):
    port = reserve_port()
    url = f"http://127.0.0.1:{port}"
    process = await start(port, tmp_path)
    await listening(process)
    intent = (await http.post(f"{url}/v1/payment_intents", data=FORM)).json()
    process.kill()
    await process.wait()

    process = await start(port, tmp_path)
    await listening(process)
    assert (await http.get(f"{url}/v1/payment_intents/{intent['id']}")).json() == intent
    process.send_signal(signal.SIGTERM)  # the client's connection is still open
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out + err) == (0, b"")


async def test_a_stop_does_not_wait_for_a_call_that_is_never_answered(tmp_path, http):
    port = reserve_port()
    url = f"http://127.0.0.1:{port}"
    process = await start(port, tmp_path)
    await listening(process)
    await http.post(
        f"{url}/_sandbox/faults", json={"method": "POST", "path": "/v1/payment_intents", "fault": "timeout_after"}
    )
    hanging = asyncio.create_task(http.post(f"{url}/v1/payment_intents", data=FORM, timeout=20))
    async with httpx.AsyncClient() as other:
        while not (await other.get(f"{url}/_sandbox/state")).json()["payment_intents"]:
            assert not hanging.done()
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert b"_secret_" not in err
    assert b"Traceback" not in err
    await asyncio.gather(hanging, return_exceptions=True)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"SANDBOX_PORT": "many"}, "SANDBOX_PORT"),
        ({"SANDBOX_PORT": "70000"}, "SANDBOX_PORT"),
        ({"SANDBOX_WEBHOOK_URL": "http://127.0.0.1:1/hook"}, "STRIPE_WEBHOOK_SECRET"),
        ({"SANDBOX_WEBHOOK_URL": "ftp://x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, "SANDBOX_WEBHOOK_URL"),
        ({"TUTORMESH_ENV": "production"}, "TUTORMESH_ENV"),
        ({"TUTORMESH_ENV": "prod"}, "TUTORMESH_ENV"),
        ({"SANDBOX_WEBHOOK_URL": "http://a:b:c", "STRIPE_WEBHOOK_SECRET": "whsec_x"}, "SANDBOX_WEBHOOK_URL"),
    ],
)
def test_a_bad_setting_is_named(environment, name):
    with pytest.raises(InvalidSetting, match=name):
        load(environment)


def test_settings_have_defaults():
    settings = load({"TUTORMESH_ENV": ""})
    assert (settings.host, settings.port, settings.webhook_url) == ("127.0.0.1", 12111, "")
    assert settings.webhook_events == {"*"}


def test_events_are_named_in_a_list_with_spaces_or_commas():
    settings = load({"SANDBOX_WEBHOOK_EVENTS": "payment_intent.succeeded,\n  refund.failed refund.created"})
    assert settings.webhook_events == {"payment_intent.succeeded", "refund.failed", "refund.created"}


async def test_a_process_with_a_bad_setting_stops_with_one_line(tmp_path):
    process = await start(0, tmp_path, SANDBOX_PORT="many")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err.count(b"\n")) == (1, b"", 1)
    assert b"SANDBOX_PORT" in err
