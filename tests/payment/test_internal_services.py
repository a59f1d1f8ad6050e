"""The programs of docs/internal-services.md are run as they stand, one of them where only the wheel is installed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from mesh.errors import Forbidden
from tests.people import People, lesson_time
from tests.world import World
from tutormesh.availability.v1.availability_pb2 import ReleaseSlotRequest
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "internal-services.md"
SECONDS = 30


def write_program(name: str, folder: Path) -> Path:
    """The page's program of this name, in a file of its own."""
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (code,) = (code for code in programs if f": {name} " in code.partition("\n")[0])
    file = folder / name
    file.write_text(code, encoding="utf-8")
    return file


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_program("book.py", tmp_path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh virtual environment with the wheel. What the wheel requires is found where the tests have it."""
    folder = tmp_path_factory.mktemp("shop")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]  # as `make wheel` does
    subprocess.run(build, cwd=ROOT / "protos", check=True, timeout=60)
    (wheel,) = folder.glob("tutormesh_protos-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        python,
        "install",
        "-q",
        "--no-index",
    ]
    subprocess.run([*pip, f"{wheel}[status]"], check=True, timeout=60)
    return python


@pytest.fixture
def environment(world: World, tmp_path: Path, token: Callable[..., str]) -> dict[str, str]:
    identity = tmp_path / "internal.token"
    identity.write_text(token("service", service="internal"))
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}",
        "SERVICE_TOKEN_FILE": str(identity),
        "PAYMENT_ADDRESS": f"127.0.0.1:{world.ports['payment']}",
        "BOOKING_ADDRESS": f"127.0.0.1:{world.ports['booking']}",
    }


async def start(
    program: Path, environment: dict[str, str], *arguments: str, python: Path | str = sys.executable
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(python),
        str(program),
        *arguments,
        cwd=program.parent,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_service_books_for_a_student_and_sees_the_confirmation(
    people: People, program: Path, environment: dict[str, str]
) -> None:
    tutor, student = await people.tutor(), uuid4()
    process = await start(program, environment, str(tutor), str(student), lesson_time().isoformat())
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode()
    booking, intent = re.fullmatch(r"booking (\S+): pay (pi_\w+)\n", first).groups()  # type: ignore[union-attr]
    assert (await people.booking(booking)).student_id == str(student)
    await people.pay(intent)
    rest, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert rest.decode().splitlines()[-1] == "BOOKING_STATUS_CONFIRMED", errors.decode()
    assert process.returncode == 0


async def test_a_service_gets_a_refusal_by_its_name(people: People, program: Path, environment: dict[str, str]) -> None:
    too_late = lesson_time() - timedelta(days=10_000)
    process = await start(program, environment, str(await people.tutor()), str(uuid4()), too_late.isoformat())
    _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1
    assert re.search(r"^refused: TOO_SOON: \S", errors.decode(), re.M)


@pytest.mark.parametrize("days", [0, -10_000], ids=["in time", "too late"])
async def test_a_service_books_where_only_the_wheel_is_installed(
    people: People, shop: Path, environment: dict[str, str], tmp_path: Path, days: int
) -> None:
    del environment["PYTHONPATH"]
    begin, tutor, student = lesson_time() + timedelta(days=days), await people.tutor(), uuid4()
    program = write_program("stubs_only.py", tmp_path)
    process = await start(program, environment, str(tutor), str(student), begin.isoformat(), python=shop)
    out, errors = (part.decode() for part in await asyncio.wait_for(process.communicate(), SECONDS))
    if days:
        assert (process.returncode, out) == (1, "") and re.fullmatch(r"refused: TOO_SOON: \S.*\n", errors)
        return
    assert (process.returncode, errors) == (0, "")
    booking, _ = re.fullmatch(r"booking (\S+): pay (pi_\w+)\n", out).groups()  # type: ignore[union-attr]
    assert (await people.booking(booking)).student_id == str(student)


def test_where_only_the_wheel_is_installed_there_is_nothing_of_the_services(shop: Path) -> None:
    look = "import importlib.util as find, tutormesh; print(*tutormesh.__path__, find.find_spec('mesh'))"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [shop, "-P", "-c", look], cwd=shop.parent, env=clean, capture_output=True, text=True, timeout=30
    )
    found, chassis = done.stdout.split()
    assert Path(found).is_relative_to(shop.parents[1]) and chassis == "None"


@pytest.mark.skipif(not os.environ.get("FULL"), reason="mypy reads much: FULL=1 runs it")
def test_a_type_checker_finds_a_wrong_request_by_the_wheels_types(shop: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from tutormesh.payment.v1.payment_pb2 import BookSessionRequest\nBookSessionRequest(tutor_id=3)\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "--python-executable", shop, wrong.name]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert re.findall(r"error: .*", done.stdout) == [
        'error: Argument "tutor_id" to "BookSessionRequest" has incompatible type "int"; expected "str"  [arg-type]'
    ]


async def test_what_only_the_sagas_may_do_is_refused_to_an_internal_service(people: People) -> None:
    stub = people.stub(AvailabilityServiceStub, "availability", "internal")
    with pytest.raises(Forbidden):
        await stub.ReleaseSlot(ReleaseSlotRequest(saga_id=str(uuid4())), timeout=5)
