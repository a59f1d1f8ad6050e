"""`make up MESH_TLS=on`: a whole mesh whose services speak with certificates, and what people use against it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from devkit.environment import environment
from devkit.layout import CERTIFIED, PROGRAMS, Layout, Misconfigured
from tests.devkit.fake_mesh import ROOT, RealMesh, run_mesh, wait_until
from tests.docs.pages import blocks
from tests.docs.test_docs_commands import make_folder
from tests.docs.test_docs_commands import run as run_commands
from tests.house.test_buf import with_node

BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealMesh]:
    async with run_mesh(RealMesh(tmp_path_factory.mktemp("certified"), MESH_TLS="on")) as running:
        yield running


async def run(mesh: RealMesh, *command: str | Path, cwd: Path = ROOT, **changes: str) -> tuple[int, str, str]:
    """Run a command beside the mesh, without MESH_TLS: the data folder says that it is on."""
    settings = {name: value for name, value in mesh.layout.settings.items() if name != "MESH_TLS"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**settings, "PATH": path, **changes},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_67_a_lesson_is_sold_while_all_certificates_are_renewed(mesh):
    channels = 5 + 4  # of the edge to the services, and of payment to the others
    mesh.layout.write_service_certificates()
    code, out, err = await run(mesh, sys.executable, "-m", "devkit.demo.lesson")
    assert code == 0 and "CONFIRMED" in out, err
    await wait_until(lambda: mesh.console.text.getvalue().count("channel_renewed") >= channels)
    outcomes = set(re.findall(r" rpc +.*code=(\w+)", mesh.console.text.getvalue()))
    assert outcomes == {"OK"}


async def test_67_the_operator_sees_what_was_sold(mesh):
    code, out, err = await run(mesh, sys.executable, "-m", "ops", "saga", "list", "--json")
    assert code == 0, err
    assert [saga["state"] for saga in json.loads(out)] == ["COMPLETED"]


async def test_67_services_have_certificates_and_no_tokens(mesh):
    given = {name: environment(mesh.layout, name) for name in PROGRAMS if name != "sandbox"}
    assert all("SERVICE_TOKEN_FILE" not in own for own in given.values())
    assert {own["MESH_CERT_DIR"] for own in given.values()} == {
        str(mesh.layout.certificates / name) for name in CERTIFIED if name != "ops"
    }


async def test_health_is_asked_with_the_operators_certificate(mesh):
    address = mesh.layout.address("booking")
    assert (await run(mesh, sys.executable, "-m", "ops", "health", address))[0] == 0
    for service, code in (("booking", 0), ("payment", 1)):
        assert (await run(mesh, sys.executable, "-m", "ops", "health", "--service", service, address))[0] == code
    assert (await run(mesh, sys.executable, "-m", "ops", "health", address, MESH_TLS="off"))[0] == 1


@pytest.mark.parametrize("name", ["ops", "internal/shop"])
async def test_67_buf_curl_calls_with_a_certificate(mesh, tmp_path, name):
    code, _, err = await run(mesh, sys.executable, "-m", "ops", "certificate", "--service", name, tmp_path)
    assert code == 0, err
    url = f"https://{mesh.layout.address('payment')}/tutormesh.payment.v1.SagaService/ListSagas"
    files = ("--cacert", tmp_path / "ca.crt", "--cert", tmp_path / "tls.crt", "--key", tmp_path / "tls.key")
    call = (BUF, "curl", "--protocol", "grpc", "-d", "{}", url)
    code, out, err = await run(mesh, *call, *files)
    if name == "ops":
        assert code == 0 and isinstance(json.loads(out), dict), err
    else:
        assert code != 0 and "ListSagas may not be called by internal" in err
    code, _, err = await run(mesh, *call, *files[:2], "--schema", "protos")
    assert code != 0 and ("unavailable" in err or "canceled" in err)  # the server closes while buf still writes


async def test_67_the_calls_of_the_page_are_answered(mesh, tmp_path, monkeypatch):
    folder = make_folder(tmp_path)
    (folder / "tools").symlink_to(ROOT / "tools")
    monkeypatch.setenv("PATH", with_node()["PATH"])
    (block,) = (block for block in blocks("docs/grpc.md") if "certificate --service" in block.code)
    calls = block.code.replace('{"open_only": true}', "{}")  # so that they answer with the lesson that was sold
    status, output = await run_commands(f"set -euo pipefail; {calls}", mesh, folder)
    assert (status, output.count('"state": "COMPLETED"')) == (0, 2), output


async def test_67_a_service_outside_the_mesh_changes_one_line_of_its_program(mesh, tmp_path):
    mesh.layout.issue_certificate("internal/shop", tmp_path / "shop")
    (code,) = (block.code for block in blocks("docs/internal-services.md") if ": book.py " in block.code)
    changed = "from mesh.certificates import Certificates, files_in; identity = Certificates(files_in(Path('shop')))"
    (tmp_path / "book.py").write_text(re.sub(r"(?m)^identity = .*$", changed, code))
    given = {f"{name.upper()}_ADDRESS": mesh.layout.address(name) for name in ("booking", "payment")}
    call = (sys.executable, tmp_path / "book.py", str(uuid4()), str(uuid4()), "2030-01-31T10:00:00+00:00")
    code, _, err = await run(mesh, *call, cwd=tmp_path, PYTHONPATH=f"{ROOT}:{ROOT / 'generated'}", **given)
    assert code == 1 and err.startswith("refused: TUTOR_NOT_FOUND: ")


def test_without_certificates_none_are_left(tmp_path: Path) -> None:
    on, off, silent = (Layout(tmp_path, settings) for settings in ({"MESH_TLS": "on"}, {"MESH_TLS": "off"}, {}))
    on.write_service_certificates()
    assert silent.uses_certificates() and {path.name for path in on.certificates.iterdir()} == {*CERTIFIED}
    off.write_service_certificates()
    assert not silent.uses_certificates() and not on.certificates.exists()


def test_a_word_that_is_no_mode_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="MESH_TLS: 'yes' is none of off, on, external"):
        Layout(tmp_path, {"MESH_TLS": "yes"}).write_service_certificates()


@pytest.mark.parametrize("name", ["../x", "internal/../../x", "", "Payment", "a/b/c"])
def test_a_certificate_is_made_for_a_service_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="service: "):
        Layout(tmp_path, {}).issue_certificate(name, tmp_path / "own")
