"""`python3 devkit/install.py devkit|dev`: make `.venv` and install a lock file into it, unless that has been done.

Run by the machine's own Python, with its standard library only, before anything is installed. Two at once: the second
waits for the first. A stamp in `.venv` remembers what is installed, so that a call with nothing to do is quick.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)
CANDIDATES = ("python3.14", "python3.13", "python3.12", "python3.11")
#: What a lock file contains besides itself.
INCLUDED = {"devkit": ("devkit",), "dev": ("dev", "devkit")}


def main(lock: str) -> None:
    """Install the lock file of this name unless its stamp says that it is."""
    with _alone():
        if _stamp(lock).exists() and (VENV / "bin" / "tutormesh").exists():
            return
        print(f"installing the packages of requirements/{lock}.txt into .venv (once)", flush=True)
        if not _is_usable():
            _run(_python(), "-m", "venv", "--clear", str(VENV))
        pip = (str(VENV / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check", "install")
        # A lock names everything, so nothing is left to resolve: pip would look for extras of a pinned package anew.
        _run(*pip, "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / f"{lock}.txt"))
        _run(*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
        for name in INCLUDED[lock]:
            _stamp(name).touch()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A lock on a folder leaves no file behind."""
    folder = os.open(ROOT / "requirements", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _stamp(lock: str) -> Path:
    """Named by everything that decides what is installed; the place too, as scripts carry it in their first line."""
    parts = [(ROOT / name).read_bytes() for name in (f"requirements/{lock}.txt", "pyproject.toml")]
    digest = hashlib.sha256(b"\0".join([*parts, os.fsencode(VENV)])).hexdigest()[:16]
    return VENV / f".installed-{lock}-{digest}"


def _is_usable() -> bool:
    """False when there is no `.venv`, or its Python has gone, is too old, or the checkout was moved."""
    script = VENV / "bin" / "pip"
    if not script.exists() or os.fsencode(VENV) not in script.read_bytes():
        return False
    check = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    with contextlib.suppress(OSError):
        return subprocess.run([str(VENV / "bin" / "python"), "-c", check], check=False).returncode == 0  # noqa: S603
    return False


def _python() -> str:
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    for name in CANDIDATES:
        if found := shutil.which(name):
            return found
    raise SystemExit(f"python3 is {sys.version.split()[0]}; tutormesh needs {OLDEST[0]}.{OLDEST[1]} or newer")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, "PIP_NO_INPUT": "1"})  # noqa: S603
    if done.returncode != 0:
        raise SystemExit(f"failed ({done.returncode}): {' '.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1])
