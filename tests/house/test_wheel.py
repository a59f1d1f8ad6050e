"""The wheel `tutormesh-protos`: what is in it, and what it needs. tests/payment/test_internal_services.py uses it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

from tests.house.conftest import ROOT

WHEEL = tomllib.loads((ROOT / "protos" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def build(root: Path, to: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", to]
    subprocess.run(command, cwd=root / "protos", check=True, capture_output=True, timeout=60)
    return to / f"tutormesh_protos-{VERSION}-py3-none-any.whl"


def test_the_wheel_has_the_stubs_their_types_and_the_protos_in_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, copy = build(ROOT, tmp_path), tmp_path / "copy"
    for name in ("protos", "generated"):
        shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copyfile)  # new times and modes
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    assert first.read_bytes() == build(copy, tmp_path / "again").read_bytes()
    kept = {
        str(path.relative_to(folder))
        for folder in (ROOT / "protos", ROOT / "generated")
        for path in (folder / "tutormesh").rglob("*.p*")
        if path.suffix in (".proto", ".py", ".pyi")
    }
    names = {name for name in ZipFile(first).namelist() if ".dist-info/" not in name}
    assert "tutormesh/booking/v1/booking_pb2_grpc.pyi" in kept
    assert names == kept | {"tutormesh/py.typed"}


def test_the_wheel_needs_what_the_generated_code_needs() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "generated").rglob("*_pb2*.py"))
    (grpcio,) = set(re.findall(r"(?m)^GRPC_GENERATED_VERSION = '(.*)'$", code))
    (protobuf,) = set(re.findall(r"(?m)^# Protobuf Python Version: (.*)$", code))
    after_next = (
        int(protobuf.partition(".")[0]) + 2
    )  # protobuf's guarantee: generated code works with the next major version
    needed = [Requirement(text) for text in (f"grpcio>={grpcio}", f"protobuf>={protobuf},<{after_next}")]
    assert [Requirement(text) for text in WHEEL["dependencies"]] == needed
    assert WHEEL["optional-dependencies"]["status"] == [f"grpcio-status>={grpcio}"]
