"""generated/ is what protoc makes of the protos today: nothing else, nothing older."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.house.conftest import ROOT, protoc


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in (".py", ".pyi"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_generated_is_fresh(tmp_path):
    binaries = Path(sys.executable).parent
    protoc(
        f"--plugin=protoc-gen-mypy={binaries / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={binaries / 'protoc-gen-mypy_grpc'}",
        *(f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python")),
        *(f"--{kind}_out=quiet:{tmp_path}" for kind in ("mypy", "mypy_grpc")),
    )
    made, kept = _contents(tmp_path / "tutormesh"), _contents(ROOT / "generated" / "tutormesh")
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == [], "run `make protos`"
