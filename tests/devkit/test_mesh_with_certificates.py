"""`make up MESH_TLS=on`: a whole mesh whose services speak with certificates, and what people use against it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from devkit.environment import environment
from devkit.layout import CERTIFIED, PROGRAMS, Layout, Misconfigured
from tests.devkit.fake_mesh import ROOT, RealMesh, run_mesh

BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealMesh]:
    async with run_mesh(RealMesh(tmp_path_factory.mktemp("certified"), MESH_TLS="on")) as running:
        yield running


async def run(mesh: RealMesh, *command: str | Path, **changes: str) -> tuple[int, str, str]:
    """Run a command beside the mesh, without MESH_TLS: the data folder says that it is on."""
    settings = {name: value for name, value in mesh.layout.settings.items() if name != "MESH_TLS"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**settings, "PATH": path, **changes},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_67_a_lesson_is_sold_and_the_operator_sees_it(mesh):
    code, out, err = await run(mesh, sys.executable, "-m", "devkit.demo.lesson")
    assert code == 0 and "CONFIRMED" in out, err
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
