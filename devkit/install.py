"""`python3 devkit/install.py devkit|dev`: make `.venv` and install a lock file into it, unless that has been done.

The machine's own Python runs it before anything is installed, so it uses the standard library only. A second call at
the same time waits for the first. A stamp file in `.venv` remembers what is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)
CANDIDATES = ("python3.14", "python3.13", "python3.12", "python3.11")
#: The lock files that each lock file includes.
INCLUDED = {"devkit": ("devkit",), "dev": ("dev", "devkit")}


def main(lock: str) -> None:
    """Install the lock file of this name, unless its stamp exists. What a signal interrupts, the next call does again."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _install(lock)
    except KeyboardInterrupt:
        print("\nthe installation was interrupted; the same command goes on with it", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        raise SystemExit(f"{error.filename or VENV} cannot be written to: {error.strerror}") from None


def _install(lock: str) -> None:
    with _lock():
        if _stamp(lock).exists() and (VENV / "bin" / "tutormesh").exists():
            return
        print(f"installing the packages of requirements/{lock}.txt into .venv (once)", flush=True)
        if not _is_usable():
            _run(_find_python(), "-m", "venv", "--clear", str(VENV))
        pip = (str(VENV / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check", "install")
        # --no-deps: a lock file names every package, and pip would resolve the extras of a pinned one again.
        _run(*pip, "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / f"{lock}.txt"))
        _run(*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
        for name in INCLUDED[lock]:
            _stamp(name).touch()


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Lock a folder of the checkout; unlike a lock file, it leaves nothing behind."""
    folder = os.open(ROOT / "requirements", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _stamp(lock: str) -> Path:
    """The stamp's name hashes all that decides what is installed, and the path of `.venv`, which scripts contain."""
    parts = [(ROOT / name).read_bytes() for name in (f"requirements/{lock}.txt", "pyproject.toml")]
    digest = hashlib.sha256(b"\0".join([*parts, os.fsencode(VENV)])).hexdigest()[:16]
    return VENV / f".installed-{lock}-{digest}"


def _is_usable() -> bool:
    """False when `.venv` is missing, its Python has gone or is too old, or the checkout was moved."""
    script = VENV / "bin" / "pip"
    if not script.exists() or os.fsencode(VENV) not in script.read_bytes():
        return False
    check = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    with contextlib.suppress(OSError):
        return subprocess.run([str(VENV / "bin" / "python"), "-c", check], check=False).returncode == 0  # noqa: S603
    return False


def _find_python() -> str:
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    for name in CANDIDATES:
        if found := shutil.which(name):
            return found
    raise SystemExit(f"python3 is {sys.version.split()[0]}; tutormesh needs {OLDEST[0]}.{OLDEST[1]} or newer")


def _run(*command: str) -> None:
    """Run a command; it ends with us. In a session of its own a terminal's Ctrl-C reaches us alone, and it stays quiet."""
    environment = {**os.environ, "PIP_NO_INPUT": "1"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as child:  # noqa: S603
        try:
            status = child.wait()
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    if status != 0:
        raise SystemExit(f"failed ({status}): {' '.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1])
