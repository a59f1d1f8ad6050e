"""What the tests of the pages share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bff.pages


@pytest.fixture(scope="session")
def raw_texts() -> dict[str, Any]:
    """The texts of each language as its file has them."""
    folder = Path(bff.pages.__file__).parent / "texts"
    return {file.stem: json.loads(file.read_bytes()) for file in folder.glob("*.json")}
