"""What protoc knows of our protos, and where things are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).parents[2]
PROTOS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "protos").rglob("*.proto"))


def protoc(*arguments: str) -> None:
    """Run the protoc that `make protos` runs, over all protos."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iprotos", *arguments, *PROTOS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> list[descriptor_pb2.FileDescriptorProto]:
    """Our files, with their comments."""
    out = tmp_path_factory.mktemp("protos") / "set.binpb"
    protoc(f"--descriptor_set_out={out}", "--include_source_info")
    return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)
