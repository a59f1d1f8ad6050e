"""The process: without what it needs to believe Stripe it does not start."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAME = "STRIPE_WEBHOOK_SECRET"


@pytest.mark.parametrize("secret", [None, "", "not a signing secret", "whsec_new,", "whsec_new,tea", ",whsec_new"])
async def test_23_without_a_webhook_secret_the_process_does_not_start(
    secret: str | None, auth_settings: dict[str, Any], tmp_path: Path
) -> None:
    told = {name.upper(): str(value) for name, value in auth_settings.items()} | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "generated"))),
        "DATABASE_URL": "postgresql+asyncpg://user@127.0.0.1:1/payment",
        "PORT": "0",
        "STRIPE_SECRET_KEY": "sk_test_1",
        "SERVICE_TOKEN_FILE": str(tmp_path / "token"),
    }
    if secret is not None:
        told[NAME] = secret
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "payment_svc", cwd=tmp_path, env=told, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    (line,) = said.decode().splitlines()
    assert line.startswith(f"{NAME}: ")
