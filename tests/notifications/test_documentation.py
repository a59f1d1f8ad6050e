"""docs/notifications.md is true: its code verifies what is sent, and its tables name every type and setting."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from payment_svc.domain.messages import TYPES
from payment_svc.domain.signing import SIGNATURE_HEADER, sign
from payment_svc.settings import Settings
from tests.notifications.conftest import SECRET

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
BODY = '{"id":"ü"}'.encode()


@pytest.fixture(scope="module")
def is_ours() -> Any:
    """The page's own function."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names["is_ours"]


def test_its_code_accepts_what_is_sent(is_ours: Any) -> None:
    assert is_ours(BODY, sign(SECRET, BODY, int(time.time())), SECRET)


def test_its_code_refuses_everything_else(is_ours: Any) -> None:
    now = int(time.time())
    right = sign(SECRET, BODY, now)
    digest = right.partition("v1=")[2]
    assert not is_ours(BODY + b" ", right, SECRET)
    assert not is_ours(BODY, right, "another secret")
    assert not is_ours(BODY, sign(SECRET, BODY, now - 301), SECRET)
    for header in (
        "",
        "t=1",
        f"v1={digest}",
        f"t=,v1={digest}",
        f"t={now}",
        f"t={now},v1=",
        f"t=x,v1={digest}",
        f"t={now},v1=ü",
    ):
        assert not is_ours(BODY, header, SECRET)


def test_it_names_every_type_setting_and_header() -> None:
    named = set(re.findall(r"`([^`]+)`", PAGE))
    assert named >= TYPES
    assert {name.upper() for name in Settings.model_fields if name.startswith(("notify_", "smtp_"))} <= named
    assert f"{SIGNATURE_HEADER}: " in PAGE
