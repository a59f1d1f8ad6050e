"""`tutormesh migrate`, `up`, `token` and `health`, as they are typed."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

import asyncpg
import jwt
import pytest
from click.testing import CliRunner, Result

from devkit import databases
from devkit.layout import PROGRAMS, STORED, Misconfigured
from devkit.postgres import Postgres
from mesh.migrations import is_current, upgrade
from ops.__main__ import COMMANDS, main
from tests.devkit.fake_mesh import reserve_ports


@pytest.fixture(autouse=True)
def no_databases_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.endswith("DATABASE_URL") or name.startswith("TUTORMESH_"):
            monkeypatch.delenv(name)


def tutormesh(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(main, arguments, env=settings)


def test_migrate_upgrades_the_named_databases_once(postgres: Postgres) -> None:
    url = asyncio.run(postgres.create_database("command_booking"))
    first = tutormesh("migrate", BOOKING_DATABASE_URL=url)
    assert (first.exit_code, first.output) == (0, "booking: migrated\n")
    assert asyncio.run(is_current(url, "booking_svc"))
    again = tutormesh("migrate", "--service", "booking", DATABASE_URL=url)
    assert (again.exit_code, again.output) == (0, "booking: was up to date\n")


def test_check_waits_for_whoever_migrates_and_changes_nothing(postgres: Postgres) -> None:
    url = asyncio.run(postgres.create_database("command_checked"))
    refused = tutormesh("migrate", "--check", SESSION_DATABASE_URL=url)
    assert (refused.exit_code, refused.output) == (1, "session: is not migrated\n")

    async def check_and_migrate() -> Result:
        waiting = asyncio.create_task(
            asyncio.to_thread(tutormesh, "migrate", "--check", "--wait", "30", SESSION_DATABASE_URL=url)
        )
        await upgrade(url, "session_svc")
        return await waiting

    waited = asyncio.run(check_and_migrate())
    assert (waited.exit_code, waited.output) == (0, "session: can be used\n")


def test_check_names_a_database_that_does_not_answer() -> None:
    url = f"postgresql+asyncpg://me@127.0.0.1:{reserve_ports()}/x"
    away = tutormesh("migrate", "--check", "--service", "payment", DATABASE_URL=url)
    assert away.exit_code == 1 and away.output.startswith("payment: the database cannot be used: ")
    assert tutormesh("migrate", "--check").exit_code == 2


def test_a_later_releases_database_can_be_used_and_is_left_alone(postgres: Postgres) -> None:
    """A replica of the release before is started again after the migration, or the update is taken back."""
    url = asyncio.run(postgres.create_database("command_later"))
    asyncio.run(upgrade(url, "booking_svc"))
    asyncio.run(_execute(url, "update alembic_version set version_num = '9999'"))
    assert tutormesh("migrate", "--check", BOOKING_DATABASE_URL=url).exit_code == 0
    again = tutormesh("migrate", BOOKING_DATABASE_URL=url)
    assert (again.exit_code, again.output) == (0, "booking: is at a later release's revision, and stays there\n")
    asyncio.run(_execute(url, "update alembic_version set version_num = '0001'"))
    assert tutormesh("migrate", "--check", BOOKING_DATABASE_URL=url).exit_code == 1


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_migrate_names_the_setting_it_cannot_use() -> None:
    missing = tutormesh("migrate", "--service", "payment")
    assert missing.exit_code == 2 and "PAYMENT_DATABASE_URL: is missing" in missing.output
    wrong = tutormesh("migrate", PAYMENT_DATABASE_URL="mysql://x")
    assert wrong.exit_code == 2 and "PAYMENT_DATABASE_URL: must start with postgresql+asyncpg://" in wrong.output


def test_migrate_without_settings_migrates_the_developers_mesh(tmp_path: Path) -> None:
    stopped = tutormesh("migrate", TUTORMESH_DATA=str(tmp_path))
    assert sorted(stopped.output.splitlines()) == sorted(f"{program.name}: migrated" for program in STORED)
    with Postgres(tmp_path / "postgres"):
        running = tutormesh("migrate", TUTORMESH_DATA=str(tmp_path))
    assert (running.exit_code, running.output.count("was up to date")) == (0, len(STORED))


def test_up_refuses_a_real_stripe_account_without_its_webhook_secret_before_anything_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    real = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "", "STRIPE_API_BASE": ""}
    refused = tutormesh("up", TUTORMESH_DATA=str(data), **real)
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: STRIPE_WEBHOOK_SECRET: is missing, and STRIPE_SECRET_KEY names a real Stripe account\n",
    )
    assert not data.exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TUTORMESH_ENV", "production", "is production"),
        ("TUTORMESH_ENV", "Prod", "is Prod"),
        ("STRIPE_SECRET_KEY", "sk_live_1", "is a live key"),
        ("STRIPE_SECRET_KEY", "rk_live_1", "is a live key"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_1", "is a live key"),
    ],
)
@pytest.mark.parametrize("command", ["up", "token --role student", "token --role service --service payment"])
def test_production_is_refused_before_anything_is_made(
    tmp_path: Path, command: str, name: str, value: str, words: str
) -> None:
    data = tmp_path / "data"
    own = {"TUTORMESH_DATA": str(data), "STRIPE_WEBHOOK_SECRET": "whsec_1", name: value}
    refused = tutormesh(*command.split(), **own)
    assert (refused.exit_code, refused.output) == (
        1,
        f"Error: {name}: {words}, and this is for a developer's machine\n",
    )
    assert not data.exists()


@pytest.mark.parametrize("name", [*PROGRAMS, "ops", "internal"])
def test_the_token_command_signs_for_every_service_also_for_those_without_a_token(tmp_path: Path, name: str) -> None:
    printed = tutormesh("token", "--role", "service", "--service", name, TUTORMESH_DATA=str(tmp_path))
    claims = jwt.decode(printed.output.strip(), options={"verify_signature": False})
    assert (printed.exit_code, claims["svc"], claims["roles"]) == (0, name, ["service"])
    assert list(tmp_path.rglob("*.token")) == []


def test_migrate_reports_a_server_that_does_not_answer() -> None:
    away = tutormesh("migrate", TUTORMESH_DATABASE=f"postgresql://me@127.0.0.1:{reserve_ports()}")
    assert away.exit_code == 1 and away.output.startswith("Error: the database server cannot be used")


def test_missing_databases_are_made_on_the_server_that_is_named(
    monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    with pytest.raises(Misconfigured, match=r"^TUTORMESH_DATABASE:"):
        databases.main()
    monkeypatch.setenv("TUTORMESH_DATABASE", postgres.url())
    monkeypatch.setattr(databases, "database_name", lambda program: f"missing_{program.name}")
    databases.main()
    assert not asyncio.run(is_current(databases.urls(postgres.url())["session"], "session_svc"))


def test_up_reports_in_one_line_why_it_cannot_start(tmp_path: Path) -> None:
    base = reserve_ports()
    with socket.create_server(("127.0.0.1", base)):
        taken = tutormesh("up", TUTORMESH_DATA=str(tmp_path), TUTORMESH_PORT_BASE=str(base))
    assert (taken.exit_code, taken.output.count("\n")) == (1, 1)
    assert taken.output.startswith(f"Error: port {base} for bff is taken")
    wrong = tutormesh("up", TUTORMESH_DATA=str(tmp_path), TUTORMESH_PORT_BASE="many")
    assert wrong.exit_code == 1 and wrong.output.startswith("Error: TUTORMESH_PORT_BASE:")


def test_health_reports_a_service_that_does_not_answer() -> None:
    away = tutormesh("health", f"127.0.0.1:{reserve_ports()}")
    assert away.exit_code == 1 and away.output.endswith(": UNAVAILABLE\n")


def test_every_command_of_the_table_can_be_loaded() -> None:
    for name in COMMANDS:
        shown = tutormesh(name, "--help")
        assert shown.exit_code == 0, f"{name}: {shown.output}{shown.exception!r}"


@pytest.mark.parametrize("command", [("up",), ("migrate",), ("token", "--role", "student")], ids=" ".join)
def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        refused = tutormesh(*command, TUTORMESH_DATA=str(folder), TUTORMESH_PORT_BASE=str(reserve_ports()))
        assert (refused.exit_code, len(refused.output.splitlines())) == (1, 1), refused.output
        assert refused.output.startswith(f"Error: {tmp_path}/data") and refused.exception.__class__ is SystemExit


def test_a_data_folder_that_nobody_may_write_to_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**_: object) -> None:  # as root, the tests may write everywhere
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("devkit.preflight.tempfile.TemporaryFile", refuse)
    refused = tutormesh("up", TUTORMESH_DATA=str(tmp_path))
    assert refused.output == (
        f"Error: {tmp_path} cannot be written to (Permission denied); TUTORMESH_DATA names another data folder\n"
    )


@pytest.mark.parametrize("name", ["PAYMENT", "BFF", "LEARNING"])
@pytest.mark.parametrize("value", ["two", "0", "17", "-1", "1.5", "٢"])
def test_up_refuses_a_wrong_number_of_replicas_before_anything_is_there(tmp_path: Path, name: str, value: str) -> None:
    settings = {"TUTORMESH_DATA": str(tmp_path / "data"), f"{name}_REPLICAS": value}
    refused = tutormesh("up", **settings)
    assert (refused.exit_code, refused.output) == (
        1,
        f"Error: {name}_REPLICAS: {value!r} is not a number from 1 to 16\n",
    )
    assert not (tmp_path / "data").exists()
