"""The launcher, with small stand-ins for the services and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import jwt
import pytest

from devkit.environment import environment
from devkit.launcher import Launcher
from devkit.layout import PROGRAMS, Layout, Misconfigured, load
from devkit.people import STUDENTS, TUTORS, write_tokens
from devkit.preflight import CannotStart, lock_data_folder
from devkit.readiness import fetch_status
from tests.devkit.fake_mesh import Mesh, RecordingConsole, is_alive, reserve_ports, run_mesh, wait_until


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)


async def test_everything_starts_and_stops_in_order_and_leaves_no_process(mesh: Mesh) -> None:
    mesh.is_new = True
    async with run_mesh(mesh):
        await wait_until(lambda: all(map(mesh.noted, PROGRAMS)))
        assert await fetch_status(mesh.layout.port("bff"), "/readyz") == 200
        pids = [mesh.noted(name)[0] for name in PROGRAMS]
        pids.append(int((mesh.layout.data / "postgres" / "postmaster.pid").read_text().split()[0]))
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))
    stopped = [line.split()[0] for line in mesh.notes() if " stopped " in line]
    assert stopped[:2] == ["bff", "payment"] and stopped[-1] == "sandbox"
    assert sorted(stopped) == sorted(PROGRAMS)
    assert not (mesh.layout.data / "postgres" / "postmaster.pid").exists()


async def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    async with run_mesh(Mesh(tmp_path, PAYMENT_REPLICAS="2")) as mesh:
        await wait_until(lambda: len(mesh.noted("payment")) == 2)
        os.kill(mesh.noted("payment")[0], signal.SIGKILL)
        postmaster = mesh.layout.data / "postgres" / "postmaster.pid"
        before = postmaster.read_text().split()[0]
        os.kill(int(before), signal.SIGKILL)
        await wait_until(lambda: len(mesh.noted("payment")) == 3, 30)
        await wait_until(
            lambda: postmaster.exists() and "ready" in postmaster.read_text().replace(before, "").split(), 30
        )
        assert any(line.startswith("payment.2 ") for line in mesh.console.lines)


def ends_with(code: int, *lines: str) -> list[str]:
    """The command line of a program that prints these lines and ends."""
    return [sys.executable, "-S", "-c", f"print(*{lines!r}, sep='\\n'); raise SystemExit({code})"]


async def test_a_setting_that_a_service_cannot_use_ends_the_mesh_by_name(mesh: Mesh) -> None:
    mesh.commands |= {"booking": ends_with(2, "HOLD_MINUTES: Input should be a valid number")}
    mesh.commands |= {"bff": ends_with(1)}  # the real bff would not become ready either
    with pytest.raises(CannotStart, match=r"^booking: a setting cannot be used"):
        async with run_mesh(mesh):
            pass
    assert [line.partition("| ")[2] for line in mesh.console.lines if line.startswith("booking")] == [
        "HOLD_MINUTES: Input should be a valid number",
        "exited with 2",
    ]
    assert not any(is_alive(pid) for name in PROGRAMS for pid in mesh.noted(name))


async def test_a_process_that_dies_later_is_started_again_whatever_its_exit_code(mesh: Mesh) -> None:
    async with run_mesh(mesh):
        await wait_until(lambda: bool(mesh.noted("session")))
        os.kill(mesh.noted("session")[0], signal.SIGUSR1)  # the stand-in exits with 2
        await wait_until(lambda: len(mesh.noted("session")) == 2, 2)
        assert any(line.endswith("exited with 2; starting again") for line in mesh.console.lines)


async def test_a_port_that_is_taken_is_named_and_nothing_starts(mesh: Mesh) -> None:
    port = mesh.layout.port("booking")
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(CannotStart, match=f"port {port} for booking is taken"),
    ):
        await mesh.run()
    assert mesh.notes() == []


async def test_a_data_folder_has_one_launcher_at_a_time(mesh: Mesh) -> None:
    with (
        lock_data_folder(mesh.layout.data),
        pytest.raises(CannotStart, match=f"in use by another mesh .process {os.getpid()}"),
    ):
        await mesh.run()
    with lock_data_folder(mesh.layout.data):
        assert mesh.notes() == []


async def test_a_database_server_that_does_not_answer_is_reported_in_one_line(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path, TUTORMESH_DATABASE=f"postgresql://me@127.0.0.1:{reserve_ports()}")
    with pytest.raises(CannotStart, match="the database server cannot be used"):
        await mesh.run()
    pids = mesh.noted("sandbox")
    assert not any(map(is_alive, pids))


async def test_each_program_that_calls_services_finds_its_own_token(mesh: Mesh) -> None:
    mesh.layout.keys.mkdir(parents=True)
    mesh.layout.token_file("booking").write_text("of an older version")
    async with run_mesh(mesh):
        assert sorted(path.stem for path in mesh.layout.keys.glob("*.token")) == ["bff", "ops", "payment"]
        file = mesh.layout.token_file("payment")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        settings = jwt.decode(file.read_text(), options={"verify_signature": False})
        assert (settings["svc"], settings["roles"]) == ("payment", ["service"])
        assert mesh.layout.demo_tokens_file.exists()


def test_the_edge_finds_tokens_of_the_demo_people_and_of_nobody_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path, {})
    write_tokens(layout)
    file = Path(environment(layout, "bff")["DEMO_TOKENS_FILE"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())["people"]
    claims = [jwt.decode(one["token"], options={"verify_signature": False}) for one in told]
    assert [(one["sub"], one["roles"]) for one in claims] == [(one["id"], [one["role"]]) for one in told]
    assert {one["id"] for one in told} == {*STUDENTS.values(), *(tutor.id for tutor in TUTORS)}
    assert {one["role"] for one in told} == {"student", "tutor"}


@pytest.mark.parametrize("production", [{"TUTORMESH_ENV": "production"}, {"STRIPE_SECRET_KEY": "sk_live_1"}], ids=str)
def test_no_token_of_a_demo_person_is_made_in_production(tmp_path: Path, production: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="developer's machine"):
        write_tokens(Layout(tmp_path, production))
    assert list(tmp_path.iterdir()) == []


def test_secrets_go_only_to_those_who_need_them(tmp_path: Path) -> None:
    layout = Layout(
        tmp_path,
        {
            "HOLD_MINUTES": "0.05",
            "STRIPE_WEBHOOK_SECRET": "whsec_x",
            "TUTORMESH_DATABASE": "x",
            "OPS_TOKEN": "x",
            "SERVICE_TOKEN_FILE": "x",
            "DEMO_TOKENS_FILE": "x",
            "DATABASE_POOLER": "transaction",
            "BOOKING_DATABASE_DIRECT_URL": "x",
        },
    )
    settings = {name: environment(layout, name, "postgresql+asyncpg://db") for name in PROGRAMS}
    assert {name for name, own in settings.items() if "STRIPE_SECRET_KEY" in own} == {"payment"}
    assert {name for name, own in settings.items() if "STRIPE_WEBHOOK_SECRET" in own} == {"payment", "sandbox"}
    assert {name for name, own in settings.items() if "LINK_SECRET" in own} == {"payment"}
    assert {name for name, own in settings.items() if "SERVICE_TOKEN_FILE" in own} == {"bff", "payment"}
    assert {name for name, own in settings.items() if "DEMO_TOKENS_FILE" in own} == {"bff"}
    assert {name for name, own in settings.items() if "OPS_TOKEN" in own} == set()
    assert {own["DATABASE_POOLER"] for own in settings.values()} == {"none"}
    assert "x" not in {own.get("BOOKING_DATABASE_DIRECT_URL") for own in settings.values()}
    assert all(own["HOLD_MINUTES"] == "0.05" and "TUTORMESH_DATABASE" not in own for own in settings.values())


def test_the_sandbox_and_the_payment_service_share_a_secret_that_lasts(tmp_path: Path) -> None:
    layout = Layout(tmp_path, {})
    settings = [environment(layout, name)["STRIPE_WEBHOOK_SECRET"] for name in ("payment", "sandbox", "payment")]
    assert len(set(settings)) == 1 and settings[0].startswith("whsec_")
    assert environment(layout, "payment")["STRIPE_API_BASE"] == "http://127.0.0.1:12111"


def test_links_lead_to_the_edge_of_the_mesh_and_their_secret_lasts(tmp_path: Path) -> None:
    first, again = (environment(Layout(tmp_path, {}), "payment") for _ in range(2))
    assert first["PUBLIC_URL"] == Layout(tmp_path, {}).url("bff")
    assert first["LINK_SECRET"] == again["LINK_SECRET"] and len(first["LINK_SECRET"]) >= 32
    own = {"PUBLIC_URL": "https://lessons.example.org", "LINK_SECRET": "s" * 32}
    assert own.items() <= environment(Layout(tmp_path, own), "payment").items()


def test_a_real_stripe_account_needs_its_webhook_secret_and_gets_no_sandbox(tmp_path: Path) -> None:
    real = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_PUBLISHABLE_KEY": "pk_test_1"}
    with pytest.raises(Misconfigured, match=r"^STRIPE_WEBHOOK_SECRET:"):
        environment(Layout(tmp_path, real), "payment")
    settings = environment(Layout(tmp_path, real | {"STRIPE_WEBHOOK_SECRET": "whsec_1"}), "payment")
    assert settings["STRIPE_SECRET_KEY"] == "sk_test_1" and "STRIPE_API_BASE" not in settings
    assert "sandbox" not in Launcher(Layout(tmp_path, real), RecordingConsole())._names


def test_mail_goes_to_the_sandboxs_mailbox_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    settings = environment(Layout(tmp_path, {}), "payment")
    assert (settings["SMTP_URL"], settings["NOTIFY_EMAIL_TO"]) == (
        "smtp://127.0.0.1:12125",
        "{person_id}@people.example.com",
    )
    assert environment(Layout(tmp_path, {}), "sandbox")["SANDBOX_SMTP_PORT"] == "12125"
    assert "SMTP_URL" not in environment(Layout(tmp_path, {"TUTORMESH_MAIL": "off"}), "payment")
    own = {"SMTP_URL": "smtp://me:secret@mail.example.com", "NOTIFY_EMAIL_FROM": "me@example.com"}
    settings = environment(Layout(tmp_path, own | {"NOTIFY_WEBHOOK_SECRET": "s" * 16}), "payment")
    assert settings.items() >= own.items() and settings["NOTIFY_WEBHOOK_SECRET"] == "s" * 16
    assert "NOTIFY_EMAIL_TO" not in settings  # the user must set it; payment_svc names what is missing


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"payment"}))
def test_only_payment_gets_the_notification_settings(tmp_path: Path, name: str) -> None:
    own = {"SMTP_URL": "smtp://me:secret@mail.example.com", "NOTIFY_WEBHOOK_SECRET": "s" * 16}
    assert not any(key.startswith(("SMTP_", "NOTIFY_")) for key in environment(Layout(tmp_path, own), name))


async def test_a_taken_mail_port_is_named(mesh: Mesh) -> None:
    port = mesh.layout.mail_port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(CannotStart, match=f"port {port} for mail is taken"):
        await mesh.run()


def test_ports_follow_the_base_and_the_documented_numbers(tmp_path: Path) -> None:
    usual, moved = Layout(tmp_path, {}), Layout(tmp_path, {"TUTORMESH_PORT_BASE": "21000"})
    assert (usual.mail_port, moved.mail_port) == (12125, 21007)
    names = ("bff", "booking", "payment", "availability", "session", "learning", "sandbox")
    assert [usual.port(name) for name in names] == [8080, 50051, 50052, 50053, 50054, 50055, 12111]
    assert [moved.port(name) for name in names] == [21000, 21001, 21002, 21003, 21004, 21005, 21006]
    assert [moved.metrics_port("payment", number) for number in range(1, 6)] == [21022, 21032, 21042, 21052, None]
    assert (usual.metrics_port("bff"), usual.metrics_port("learning"), usual.metrics_port("sandbox")) == (
        8100,
        50075,
        None,
    )
    own = Layout(tmp_path, {"TUTORMESH_PORT_BASE": "21000", "METRICS_PORT": "1"})
    assert environment(own, "payment", None, 2)["METRICS_PORT"] == "21032"
    assert "METRICS_PORT" not in environment(own, "sandbox")


async def test_a_taken_metrics_port_is_named(mesh: Mesh) -> None:
    port = mesh.layout.metrics_port("session")
    with (
        socket.create_server(("127.0.0.1", port or 0)),
        pytest.raises(CannotStart, match=f"port {port} for the metrics of session is taken"),
    ):
        await mesh.run()


@pytest.mark.parametrize("value", ["abc", "-1", "80", "99999", "٢٠٠٠"])
def test_a_port_base_that_is_no_port_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(Misconfigured, match=r"^TUTORMESH_PORT_BASE:"):
        Layout(tmp_path, {"TUTORMESH_PORT_BASE": value}).port("bff")


def test_a_named_server_keeps_its_user_host_and_port(tmp_path: Path) -> None:
    given = Layout(tmp_path, {"TUTORMESH_DATABASE": "postgresql://me:secret@db:6432/x"})
    assert given.foreign_server == "postgresql+asyncpg://me:secret@db:6432/postgres"
    with pytest.raises(Misconfigured, match=r"^TUTORMESH_DATABASE:"):
        _ = Layout(tmp_path, {"TUTORMESH_DATABASE": "mysql://db"}).foreign_server


def test_empty_settings_count_as_unset() -> None:
    assert load({"TUTORMESH_PORT_BASE": ""}).settings.get("TUTORMESH_PORT_BASE") is None
