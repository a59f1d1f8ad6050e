"""The data folder, ports, addresses and URLs of a mesh on a developer's machine. No other module derives them.

Several meshes can run side by side, each with its own TUTORMESH_DATA and TUTORMESH_PORT_BASE.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from devkit.keys import DEFAULT_AUDIENCE, DEFAULT_ISSUER, Signer, replace_file, signer
from mesh import database_urls, production

HOST = "127.0.0.1"


class Misconfigured(Exception):
    """A setting cannot be used; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Program:
    """One kind of process. Its port is TUTORMESH_PORT_BASE plus `offset`, or `port` when there is no base.

    `calls_services`: it calls other services, so it needs a service token. No other program gets one.
    """

    name: str
    module: str
    offset: int
    port: int
    has_database: bool = False
    calls_services: bool = False


PROGRAMS = {
    program.name: program
    for program in (
        Program("bff", "bff", 0, 8080, calls_services=True),
        Program("booking", "booking_svc", 1, 50051, has_database=True),
        Program("payment", "payment_svc", 2, 50052, has_database=True, calls_services=True),
        Program("availability", "availability_svc", 3, 50053, has_database=True),
        Program("session", "session_svc", 4, 50054, has_database=True),
        Program("learning", "learning_svc", 5, 50055, has_database=True),
        Program("sandbox", "devkit.sandbox", 6, 12111),
    )
}
#: The Stripe sandbox also receives mail, on a second port.
MAIL_OFFSET, MAIL_PORT = 7, 12125
#: Those of `make observe`.
PROMETHEUS_OFFSET, PROMETHEUS_PORT, GRAFANA_OFFSET, GRAFANA_PORT = 9, 9090, 10, 3000
#: GET /metrics of a process is so far above its port; of the replicas that share the port, each one further.
METRICS_OFFSET, NEXT_REPLICA = 20, 10
#: A mesh has its TUTORMESH_PORT_BASE and the ports above it: so many in a row. The first four replicas have metrics.
MESH_PORTS, MOST_MEASURED = 60, 4
STORED = [program for program in PROGRAMS.values() if program.has_database]
#: Who has a service token: the programs that call services, and the operator's commands.
CALLERS = (*(program.name for program in PROGRAMS.values() if program.calls_services), "ops")
#: Who has a certificate under MESH_TLS=on: all that speak gRPC.
CERTIFIED = (*(program.name for program in PROGRAMS.values() if program.name != "sandbox"), "ops")


@dataclass(frozen=True, slots=True)
class Layout:
    """One mesh. `settings` is the environment over `.env`; empty values are left out."""

    root: Path
    settings: Mapping[str, str] = field(repr=False)  # it has secrets

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return self.root / self.settings.get("TUTORMESH_DATA", ".data")

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def issuer(self) -> str:
        return self.settings.get("AUTH_ISSUER", DEFAULT_ISSUER)

    @property
    def audience(self) -> str:
        return self.settings.get("AUTH_AUDIENCE", DEFAULT_AUDIENCE)

    def signer(self) -> Signer:
        """The signer of this mesh's tokens. The first use makes its key. Raises Misconfigured in production."""
        check_development(self.settings)
        return signer(self.keys, self.issuer, self.audience)

    def port(self, name: str) -> int:
        """The port of a program. Raises Misconfigured."""
        return self._port(PROGRAMS[name].port, PROGRAMS[name].offset)

    @property
    def mail_port(self) -> int:
        """The port on which the sandbox receives mail. Raises Misconfigured."""
        return self._port(MAIL_PORT, MAIL_OFFSET)

    @property
    def prometheus_port(self) -> int:
        """The port of `make observe`'s Prometheus. Raises Misconfigured."""
        return self._port(PROMETHEUS_PORT, PROMETHEUS_OFFSET)

    @property
    def grafana_port(self) -> int:
        """The port of `make observe`'s Grafana. Raises Misconfigured."""
        return self._port(GRAFANA_PORT, GRAFANA_OFFSET)

    def metrics_port(self, name: str, replica: int = 1) -> int | None:
        """The port of a replica's metrics, counted from 1; None for the sandbox, and beyond the fourth replica."""
        if name == "sandbox" or replica > MOST_MEASURED:
            return None
        return self.port(name) + METRICS_OFFSET + NEXT_REPLICA * (replica - 1)

    def _port(self, usual: int, offset: int) -> int:
        base = self.settings.get("TUTORMESH_PORT_BASE")
        return usual if base is None else _number("TUTORMESH_PORT_BASE", base, 1024, 65000) + offset

    def address(self, name: str) -> str:
        """`host:port` of a program, as gRPC wants it."""
        return f"{HOST}:{self.port(name)}"

    def url(self, name: str) -> str:
        """The http URL of a program, without a final slash."""
        return f"http://{self.address(name)}"

    def replicas(self, name: str) -> int:
        """How many processes of a program share its port. Raises Misconfigured."""
        variable = f"{name.upper()}_REPLICAS"
        return _number(variable, self.settings.get(variable, "1"), 1, 16)

    def token_file(self, name: str) -> Path:
        """The file that holds a service's own token."""
        return self.keys / f"{name}.token"

    def traces_file(self, name: str) -> Path:
        """The file to which a program's spans are appended, in OTLP's JSON lines."""
        return self.data / "traces" / f"{name}.jsonl"

    @property
    def demo_tokens_file(self) -> Path:
        """The file that holds the demo people's tokens."""
        return self.keys / "demo-people.json"

    @property
    def mesh_tls(self) -> str:
        """MESH_TLS for the services that are started: "off", "on" or "external". Raises Misconfigured."""
        given = self.settings.get("MESH_TLS", "off")
        if given not in ("off", "on", "external"):
            raise Misconfigured(f"MESH_TLS: {given!r} is none of off, on, external")
        return given

    def uses_certificates(self) -> bool:
        """True when the mesh that was started last uses certificates, unless the settings of this process say otherwise."""
        return self.mesh_tls == "on" if "MESH_TLS" in self.settings else self.certificates.exists()

    @property
    def certificates(self) -> Path:
        """The folder with a folder for each service's certificate. It is there while MESH_TLS is on."""
        return self.keys / "certificates"

    def issue_certificate(self, name: str, folder: Path) -> None:
        """Write a certificate of the development CA. The first use makes the CA. Raises Misconfigured, ValueError."""
        from devkit.certificates import authority

        check_development(self.settings)
        if not re.fullmatch(r"[a-z0-9-]+(/[\w.-]+)?", name, re.ASCII):
            raise ValueError(f"service: {name!r} is not a name such as payment or internal/shop")
        authority(self.keys / "authority.pem").issue(name, folder)

    def write_service_certificates(self) -> None:
        """Write a new certificate, valid for 12 hours, for each service and the operator; remove them without MESH_TLS."""
        if self.mesh_tls == "on":
            for name in CERTIFIED:
                self.issue_certificate(name, self.certificates / name)
        else:
            shutil.rmtree(self.certificates, ignore_errors=True)

    def write_service_tokens(self) -> None:
        """Write a new token, valid for 12 hours, for each caller. Remove what an older version wrote for others."""
        for name in CALLERS:
            replace_file(self.token_file(name), self.signer().token("service", service=name))
        for name in PROGRAMS.keys() - set(CALLERS):
            self.token_file(name).unlink(missing_ok=True)

    @property
    def foreign_server(self) -> str | None:
        """The URL of the database `postgres` on the server that TUTORMESH_DATABASE names; None without the setting."""
        given = self.settings.get("TUTORMESH_DATABASE")
        if given is None:
            return None
        try:
            return on_server(database_urls.check(given, database_urls.SCHEMES), "postgres")
        except ValueError as error:
            raise Misconfigured(f"TUTORMESH_DATABASE: {error}") from None


def on_server(server_url: str, database: str) -> str:
    """The URL, for SQLAlchemy with asyncpg, of another database on the same server."""
    parts = urlsplit(server_url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{database_urls.DRIVER}://{parts.netloc}/{database}{query}"


def database_name(program: Program) -> str:
    return f"tutormesh_{program.name}"


def check_development(settings: Mapping[str, str]) -> None:
    """Raise Misconfigured in production: demo data, development tokens and the sandbox are for a developer's machine."""
    why = production.reason(settings)
    if why is not None:
        name, _, what = why.partition(" ")
        raise Misconfigured(f"{name}: {what}, and this is for a developer's machine")


def load(environ: Mapping[str, str] | None = None) -> Layout:
    """The layout by the environment and the project's `.env`."""
    root = _root()
    given = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
    return Layout(root, _dotenv(root / ".env") | given)


def _root() -> Path:
    """The project's root when this runs from a checkout, else the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


def _dotenv(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value}


def _number(name: str, value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise Misconfigured(f"{name}: {value!r} is not a number from {least} to {most}")
    return int(value)
