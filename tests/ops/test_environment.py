"""Where a command finds the mesh and its token, and what it says when it finds neither."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from devkit.keys import signer
from devkit.ports import reserve_port
from mesh.identity import ServiceTokenFile
from ops import environment
from ops.__main__ import main
from ops.cli import one_line
from ops.environment import MeshUnknown, addresses, credentials

COMMANDS = [["saga", "list"], ["saga", "show", "x"], ["audit"], ["reconcile"]]


def run(words: list[str], **env: str | None) -> tuple[int, str]:
    bare = {"OPS_TOKEN": None, "SERVICE_TOKEN_FILE": None, "TUTORMESH_DATA": None, "TUTORMESH_PORT_BASE": None}
    answer = CliRunner().invoke(main, words, env={**bare, **env})
    return answer.exit_code, answer.output


@pytest.mark.parametrize("words", COMMANDS)
def test_a_mesh_that_does_not_run_is_reported_in_one_line(words: list[str]) -> None:
    closed = f"127.0.0.1:{reserve_port()}"
    named = {f"{name}_ADDRESS": closed for name in ("AVAILABILITY", "BOOKING", "LEARNING", "PAYMENT", "SESSION")}
    code, output = run(words, OPS_TOKEN="token", **named)
    assert code == 2
    assert output.endswith(f" at {closed} gave no answer (UNAVAILABLE); is the mesh running?\n")
    assert output.count("\n") == 1


def test_the_process_ends_with_the_exit_code() -> None:
    closed = f"127.0.0.1:{reserve_port()}"
    named = {f"{name}_ADDRESS": closed for name in ("AVAILABILITY", "BOOKING", "LEARNING", "PAYMENT", "SESSION")}
    command = [sys.executable, "-m", "ops", "audit"]
    ended = subprocess.run(command, env={**os.environ, **named, "OPS_TOKEN": "t"}, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is the mesh running?" in ended.stderr


def test_a_data_folder_without_a_mesh_is_reported_in_one_line_and_not_created(tmp_path: Path) -> None:
    code, output = run(["audit"], TUTORMESH_DATA=str(tmp_path / "none"), TUTORMESH_PORT_BASE="42000")
    assert code == 2
    assert output.startswith("Error: no mesh has run in ")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_no_port_is_named() -> None:
    code, output = run(["reconcile"], OPS_TOKEN="token", TUTORMESH_PORT_BASE="many")
    assert (code, output) == (2, "Error: TUTORMESH_PORT_BASE: 'many' is not a number from 1024 to 65000\n")


def test_addresses_follow_the_port_base_unless_they_are_given() -> None:
    assert addresses({"TUTORMESH_PORT_BASE": "42000", "PAYMENT_ADDRESS": "pay.example:443"}) == {
        "availability": "127.0.0.1:42003",
        "booking": "127.0.0.1:42001",
        "learning": "127.0.0.1:42005",
        "payment": "pay.example:443",
        "session": "127.0.0.1:42004",
    }


def test_without_a_given_token_one_is_signed_with_the_data_folders_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    signer(keys)
    ((name, token),) = credentials({"TUTORMESH_DATA": str(tmp_path)}).metadata()
    assert name == "x-service-token"
    assert token.count(".") == 2


def test_a_token_in_the_environment_is_preferred_to_a_signed_one(tmp_path: Path) -> None:
    given = {"OPS_TOKEN": " a.b.c\n", "TUTORMESH_DATA": str(tmp_path)}
    assert credentials(given).metadata() == (("x-service-token", "a.b.c"),)


def test_a_token_file_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ops.token"
    with pytest.raises(MeshUnknown, match="SERVICE_TOKEN_FILE: "):
        credentials({"SERVICE_TOKEN_FILE": str(path)})
    path.write_text("d.e.f\n")
    source = credentials({"SERVICE_TOKEN_FILE": str(path)})
    assert isinstance(source, ServiceTokenFile)
    assert source.metadata() == (("x-service-token", "d.e.f"),)


def test_the_environment_is_preferred_to_the_dotenv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TUTORMESH_PORT_BASE=1\nOPS_TOKEN=from-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTORMESH_PORT_BASE", "42000")
    monkeypatch.delenv("OPS_TOKEN", raising=False)
    found = environment.read_environment()
    assert (found["TUTORMESH_PORT_BASE"], found["OPS_TOKEN"]) == ("42000", "from-file")


def test_one_line_removes_what_steers_a_terminal() -> None:
    assert one_line("a\x1b[31mb\nc\u202ed") == "a [31mb c d"
