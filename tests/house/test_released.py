"""What is released keeps working: buf compares the protos with the image of the release, and we compare who may call."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from devkit import release
from tests.house.conftest import ROOT
from tests.house.test_buf import run_buf, with_node
from tests.house.test_protos import CHILDREN, FILE
from tutormesh.common.v1 import callers_pb2

AGAINST = ("breaking", "--against", release.IMAGE)
BOOKING = "protos/tutormesh/booking/v1/booking.proto"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with what a release changes and looks at, committed."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    for name in ("buf.yaml", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- News.\n\n## [0.1.2] - 2026-01-31\n"
    )
    return tmp_path


def change(root: Path, before: str, after: str, name: str = BOOKING) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert before in text
    (root / name).write_text(text.replace(before, after, 1), encoding="utf-8")


def commit(root: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=root, check=True, timeout=30)


def test_nothing_that_is_released_is_broken() -> None:
    assert run_buf(ROOT, *AGAINST) == (0, "")


REASON = "  string reason = 4;"


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("  string motive = 4;", 'changed name from "reason" to "motive"'),
        ("", 'Previously present field "4" with name "reason"'),
    ],
    ids=["another name", "gone"],
)
def test_a_field_that_is_not_what_was_released_is_found(copy: Path, after: str, words: str) -> None:
    change(copy, REASON, after)
    status, said = run_buf(copy, *AGAINST)
    assert status != 0 and words in said


def remove(root: Path, leaving: str) -> None:
    """Remove a field, as docs/grpc.md says: with its exception in buf.yaml."""
    change(root, REASON, leaving)
    change(root, "breaking:\n", "breaking:\n  ignore_only:\n    FIELD_NO_DELETE: [" + BOOKING + "]\n", "buf.yaml")


def test_what_is_removed_must_be_reserved(copy: Path) -> None:
    remove(copy, "")
    status, said = run_buf(copy, *AGAINST)
    assert status != 0 and 'without reserving the name "reason"' in said and 'without reserving the number "4"' in said


@pytest.fixture
def run_release(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.setenv("PATH", with_node()["PATH"])
    return lambda version: release.main(version, copy)


def test_a_removal_raises_the_first_part_of_the_version_and_is_released(copy: Path, run_release) -> None:
    remove(copy, '  reserved 4;\n  reserved "reason";')
    commit(copy)
    with pytest.raises(SystemExit, match=r'"reason" .* was deleted(.|\n)*0\.1\.3 may remove nothing'):
        run_release("0.1.3")
    before = (copy / release.IMAGE).read_bytes()
    run_release("0.2.0")
    assert (copy / release.IMAGE).read_bytes() not in (b"", before)
    assert re.search(r'(?m)^version = "0\.2\.0"$', (copy / "pyproject.toml").read_text())
    assert re.search(
        r"\[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n", (copy / "CHANGELOG.md").read_text()
    )


@pytest.mark.parametrize(
    ("version", "words"),
    [("", "is no version"), ("0.2", "is no version"), ("0.1.2", "0.1.2 is released already"), ("0.1.3", "git status")],
)
def test_a_version_that_is_none_or_not_newer_and_a_tree_with_changes_are_refused(
    copy: Path, run_release, version: str, words: str
) -> None:
    commit(copy)
    (copy / "new.txt").write_text("")
    with pytest.raises(SystemExit, match=words):
        run_release(version)


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        ((0, 1, 2), (0, 1, 3), False),
        ((0, 1, 2), (0, 2, 0), True),
        ((0, 9, 0), (1, 0, 0), True),
        ((1, 2, 3), (1, 3, 0), False),
        ((1, 2, 3), (2, 0, 0), True),
    ],
)
def test_a_major_version_may_remove_and_before_the_first_one_a_minor_version(before, after, may) -> None:
    assert release.may_remove(before, after) is may


def test_the_image_is_what_buf_makes_of_the_protos_that_are_released(copy: Path) -> None:
    """Twice the same bytes, without comments, so that only changes of the contract change the file."""
    made = [copy / "a.binpb", copy / "b.binpb"]
    for path in made:
        assert run_buf(copy, "build", "--exclude-source-info", "-o", str(path)) == (0, "")
    assert made[0].read_bytes() == made[1].read_bytes()
    assert not any(file.HasField("source_code_info") for file in released())


def released() -> list[FileDescriptorProto]:
    files = FileDescriptorSet.FromString((ROOT / release.IMAGE).read_bytes()).file
    return [file for file in files if file.package.startswith("tutormesh.")]


def elements(owner: Any, kinds: dict[str, int], name: str) -> Iterator[tuple[str, Any]]:
    for kind in kinds:
        for element in getattr(owner, kind):
            yield f"{name}.{element.name}", element
            yield from elements(element, CHILDREN.get(kind, {}), f"{name}.{element.name}")


def all_of(files: list[FileDescriptorProto]) -> dict[str, Any]:
    return {name: element for file in files for name, element in elements(file, FILE, file.package)}


def test_only_what_the_release_had_deprecated_is_gone(described: list[FileDescriptorProto]) -> None:
    before, now = all_of(released()), all_of(described)
    gone = [name for name in before if name not in now]
    assert len(before) > 500
    assert [name for name in gone if not before[name].options.deprecated] == []


def test_who_might_call_a_released_rpc_still_may(described: list[FileDescriptorProto]) -> None:
    before, now = (
        {
            name: set(one.options.Extensions[callers_pb2.callers])
            for name, one in files.items()
            if hasattr(one, "input_type")
        }
        for files in (all_of(released()), all_of(described))
    )
    assert len(before) > 20
    assert {name: lost for name in before if name in now and (lost := before[name] - now[name])} == {}
