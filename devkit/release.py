"""`make release VERSION=0.2.0`: name a version, and renew the image of the released contracts.

It refuses a tree with changes that are not committed, a version that is not newer, and a version that is too small for
what the contracts have lost. It commits nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"
#: What is released: buf's image of the protos, without comments.
IMAGE = "protos/released.binpb"
#: The rules without the exceptions of buf.yaml, which name what is about to be removed.
STRICT = json.dumps({"version": "v2", "modules": [{"path": "protos"}], "breaking": {"use": ["FILE"]}})
UNRELEASED = "## [Unreleased]\n"

Version = tuple[int, int, int]


def main(given: str, root: Path = ROOT) -> None:
    """Release the tree as this version ("0.2.0"). Ends the process with what is wrong before it changes any file."""
    version = _parse(given)
    changelog = root / "CHANGELOG.md"
    before = _last_released(changelog.read_text(encoding="utf-8"))
    if UNRELEASED not in changelog.read_text(encoding="utf-8"):
        raise SystemExit(f"CHANGELOG.md: has no heading {UNRELEASED}")
    if version <= before:
        raise SystemExit(f"VERSION={given}: {_text(before)} is released already")
    if _output(root, "git", "status", "--porcelain"):
        raise SystemExit("git status: commit or remove your changes first")
    _check_contracts(root, before, version)
    _output(root, str(BUF), "build", "--exclude-source-info", "-o", IMAGE)
    _replace(root / "pyproject.toml", r'(?m)^version = ".*"$', f'version = "{given}"')
    _replace(changelog, re.escape(UNRELEASED), f"{UNRELEASED}\n## [{given}] - {datetime.now(UTC):%Y-%m-%d}\n")
    print(f"{IMAGE}, pyproject.toml and CHANGELOG.md are those of {given}. Next: make test, commit, git tag v{given}")


def _parse(given: str) -> Version:
    if not (found := re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", given)):
        raise SystemExit(f"VERSION={given}: is no version such as 0.2.0")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _last_released(changelog: str) -> Version:
    """The newest version that has a heading; 0.0.0 when none has."""
    headings = re.findall(r"(?m)^## \[(\d+\.\d+\.\d+)\]", changelog)
    return max(map(_parse, headings), default=(0, 0, 0))


def may_remove(before: Version, version: Version) -> bool:
    """True for a new major version; before 1.0.0, for a new minor one."""
    size = 1 if version[0] else 2
    return version[:size] > before[:size]


def _check_contracts(root: Path, before: Version, version: Version) -> None:
    """End the process when buf finds fault, or when something released is gone and the version does not say so."""
    _output(root, str(BUF), "lint")
    _output(root, str(BUF), "breaking", "--against", IMAGE)
    if not may_remove(before, version):
        try:
            _output(root, str(BUF), "breaking", "--against", IMAGE, "--config", STRICT)
        except SystemExit as fault:
            raise SystemExit(f"{fault}\n{_text(version)} may remove nothing: raise the version's first part") from None


def _output(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"{Path(command[0]).name} {command[1]}: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def _replace(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, lambda _: text, path.read_text(encoding="utf-8"), count=1)
    if count != 1:
        raise SystemExit(f"{path}: {pattern} is not there")
    path.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
