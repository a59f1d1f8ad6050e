"""The installer runs pip only when something has changed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devkit import install
from tests.devkit.fake_mesh import is_alive


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that the installer runs in a fake checkout; pip itself is replaced."""
    commands: list[str] = []

    def run(*command: str) -> None:
        commands.append(" ".join(command[1:]).replace(str(tmp_path), "."))
        if "venv" in command:
            (tmp_path / ".venv" / "bin").mkdir(parents=True)
            (tmp_path / ".venv" / "bin" / "tutormesh").touch()
            (tmp_path / ".venv" / "bin" / "pip").write_text(f"#!{tmp_path}/.venv/bin/python")
            (tmp_path / ".venv" / "bin" / "python").symlink_to(install.sys.executable)

    (tmp_path / "requirements").mkdir()
    for name in ("requirements/devkit.txt", "requirements/dev.txt", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "_run", run)
    return commands


PIP = "-m pip -q --disable-pip-version-check install"
INSTALLS = [
    f"{PIP} --no-deps --require-hashes -r ./requirements/devkit.txt",
    f"{PIP} --no-deps --no-build-isolation -e .",
]


def test_the_first_call_makes_the_environment_and_the_second_does_nothing(ran: list[str]) -> None:
    install.main("devkit")
    assert ran == ["-m venv --clear ./.venv", *INSTALLS]
    ran.clear()
    install.main("devkit")
    assert ran == []


def test_a_changed_lock_is_installed_into_the_same_environment(ran: list[str], tmp_path: Path) -> None:
    install.main("devkit")
    ran.clear()
    (tmp_path / "requirements" / "devkit.txt").write_text("changed")
    install.main("devkit")
    assert ran == INSTALLS


def test_the_packages_of_dev_include_those_of_devkit(ran: list[str]) -> None:
    install.main("dev")
    ran.clear()
    install.main("devkit")
    assert ran == []


def test_the_environment_of_a_moved_checkout_is_not_usable(ran: list[str], tmp_path: Path) -> None:
    install.main("devkit")
    (tmp_path / ".venv" / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python")
    assert not install._is_usable()


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(SystemExit, match=r"failed \(1\): false"):
        install._run("false")


def test_a_python_that_is_too_old_is_named_when_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "OLDEST", (99, 0))
    monkeypatch.setattr(install, "CANDIDATES", ("python99.0",))
    with pytest.raises(SystemExit, match=r"tutormesh needs 99\.0 or newer"):
        install._find_python()


def test_another_python_is_used_when_the_usual_one_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "OLDEST", (99, 0))
    monkeypatch.setattr(install, "CANDIDATES", ("python99.0", "sh"))
    assert install._find_python().endswith("/sh")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_signal_interrupts_ends_in_one_line_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A checkout whose Python sleeps instead of making an environment."""
    checkout, pids = tmp_path / "checkout", tmp_path / "pid"
    (checkout / "devkit").mkdir(parents=True)
    (checkout / "requirements").mkdir()
    for name in ("requirements/devkit.txt", "pyproject.toml"):
        (checkout / name).write_text("")
    slow = f"import os, pathlib, time; pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); time.sleep(60)"
    script = (
        Path(install.__file__).read_text().replace('_find_python(), "-m", "venv"', f"sys.executable, '-c', {slow!r}")
    )
    (checkout / "devkit" / "install.py").write_text(script)
    command = [sys.executable, str(checkout / "devkit" / "install.py"), "devkit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 10
        while not (pids.exists() and pids.read_text()):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.01)
        running.send_signal(number)
        _, said = running.communicate(timeout=10)
    assert (running.returncode, said.strip()) == (
        130,
        "the installation was interrupted; the same command goes on with it",
    )
    assert not is_alive(int(pids.read_text()))


def test_a_checkout_that_cannot_be_written_to_is_one_line(ran: list[str], tmp_path: Path) -> None:
    (tmp_path / ".venv").write_text("a file")
    with pytest.raises(SystemExit) as refused:
        install.main("devkit")
    assert ".venv" in str(refused.value.code)
