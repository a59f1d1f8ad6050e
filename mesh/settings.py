"""Settings from the environment and `.env`. A missing or malformed value is named, and stops the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mesh import database_urls, production, proxies
from mesh.certificates import NAMES, SETTINGS, Certificates, Files, Unusable
from mesh.identity import CredentialSource, ServiceTokenFile, service_token


class Hidden(str):
    """Text that does not show itself: `repr` hides it, and with it every settings object, traceback and log line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def _jwks_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("https", "file") and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError("must be https: (or file:)")
    return value


#: A key, a password, or a URL with one in it.
Secret = Annotated[str, AfterValidator(Hidden)]
DatabaseUrl = Annotated[Secret, AfterValidator(database_urls.check)]
JwksUrl = Annotated[str, AfterValidator(_jwks_url)]
#: "host:port", or gRPC's name of one that the DNS resolves: "dns:///name:port", "dns://server/name:port".
Address = Annotated[str, Field(pattern=r"^(dns:(//[^\s/]*/)?)?[^\s/]+:\d+$")]


class ServiceSettings(BaseSettings):
    """Settings that every service has."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # an input may be a secret, or be one that was put in a wrong place
    )

    #: "production" refuses to start with what only a developer's machine has (mesh.production).
    tutormesh_env: Literal["development", "production"] = "development"
    #: What to bind, such as 0.0.0.0, or :: for IPv6 and IPv4.
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    reuse_port: bool = False
    auth_issuer: str
    auth_audience: str
    auth_jwks_url: JwksUrl
    #: "off" is plaintext, on loopback only. "external" is plaintext that a sidecar encrypts.
    mesh_tls: Literal["off", "on", "external"] = "off"
    #: A folder with tls.crt, tls.key and ca.crt. Each of the three settings after it names another file.
    mesh_cert_dir: Path | None = None
    mesh_cert_file: Path | None = None
    mesh_key_file: Path | None = None
    mesh_ca_file: Path | None = None
    #: A port of its own for grpc.health.v1 in plaintext, for probes that have no certificate.
    health_port: int | None = Field(default=None, ge=0, le=65535)
    #: A port of its own for GET /metrics, bound to HOST; None serves none.
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    service_token_file: Path | None = None
    log_format: Literal["json", "console"] = "json"
    #: Seconds after SIGTERM in which calls are still taken, so that peers learn of the end and turn to other replicas.
    drain_delay_seconds: float = Field(default=0.3, ge=0, le=60)
    #: Seconds that the calls under way then get.
    drain_seconds: float = Field(default=5.0, ge=0, le=60)
    #: A connection takes calls for so many seconds, ± 10 %. Then its client connects anew, and looks for new replicas.
    max_connection_age_seconds: float = Field(default=60.0, gt=0, le=86_400)
    #: The streams and calls that an old connection still has get so many seconds more.
    max_connection_age_grace_seconds: float = Field(default=300.0, gt=0, le=86_400)

    #: Connections of a caller to each address of a peer. Replicas that share a port need several.
    peer_connections: int = Field(default=1, ge=1, le=64)

    #: False for a process that binds no gRPC port.
    serves_grpc: ClassVar[bool] = True

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value.removeprefix("[").removesuffix("]")

    def address(self, port: int) -> str:
        """HOST with this port, as gRPC reads it: an IPv6 address has brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @cached_property
    def certificates(self) -> Certificates | None:
        """This process's certificate; None without MESH_TLS=on. Raises Unusable."""
        if self.mesh_tls != "on":
            return None
        given = (self.mesh_cert_file, self.mesh_key_file, self.mesh_ca_file)
        found = []
        for setting, file, name in zip(SETTINGS, given, NAMES, strict=True):
            if file is None and self.mesh_cert_dir is None:
                raise Unusable(f"{setting}: is missing, as is MESH_CERT_DIR, and MESH_TLS is on")
            found.append(file or Path(self.mesh_cert_dir or "", name))
        return Certificates(Files(*found))

    def credentials(self) -> CredentialSource:
        """Who this process is to its peers: its certificate, or its service token. Ends the process without either."""
        return self.certificates or ServiceTokenFile(self.token_file())

    def plaintext_fault(self) -> str | None:
        """Why gRPC must not be served in plaintext here, as "NAME: what is wrong"; None when it may."""
        if self.mesh_tls != "off" or _is_loopback(self.host):
            return None
        return f"MESH_TLS: is off, which is for loopback, and HOST is {self.host}; it must be on, or external for a sidecar"

    @property
    def is_production(self) -> bool:
        """True when TUTORMESH_ENV says so, or this process has a live key."""
        return production.reason(_texts(self)) is not None

    def token_file(self) -> Path:
        """The path of the service token, which a process that calls peers needs. Ends the process when it is not set."""
        if self.service_token_file is None:
            print("SERVICE_TOKEN_FILE: Field required", file=sys.stderr)
            raise SystemExit(2)
        return self.service_token_file


class DatabaseSettings(ServiceSettings):
    """Settings of a service that has a database. Each service gives `database_url` a name of its own besides."""

    database_url: DatabaseUrl
    #: "transaction" is a pooler in transaction mode, such as PgBouncer.
    database_pooler: Literal["none", "transaction"] = "none"


class ListeningSettings(DatabaseSettings):
    """Settings of a service that listens to its database, which no pooler in transaction mode lets it do."""

    #: Leads to the server itself. Default: `database_url` does.
    database_direct_url: DatabaseUrl | None = Field(default=None, validate_default=True)

    @field_validator("database_direct_url")
    @classmethod
    def _check_direct_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("database_pooler") == "transaction":
            raise ValueError("is missing, and DATABASE_POOLER is transaction")
        return value

    @property
    def listen_url(self) -> str:
        """The URL of the connection that listens."""
        return self.database_direct_url or self.database_url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


S = TypeVar("S", bound=BaseSettings)


def read_environment() -> dict[str, str]:
    """The environment over `.env`, by names in upper case. An empty value is none, as for pydantic."""
    sources = (dotenv_values(".env"), os.environ)
    return {name.upper(): value for source in sources for name, value in source.items() if value}


def _texts(settings: BaseSettings) -> dict[str, str]:
    """The settings that are text, by names in upper case."""
    return {name.upper(): value for name, value in settings if isinstance(value, str)}


def check_production(settings: Mapping[str, str]) -> None:
    """End the process with one line when it is in production with a setting of a developer's machine."""
    fault = production.find_fault(settings)
    if fault is not None:
        print(fault, file=sys.stderr)
        raise SystemExit(2)


def _check_token_file(settings: BaseSettings) -> None:
    path = settings.service_token_file if isinstance(settings, ServiceSettings) else None
    if path is None:
        return
    try:
        service_token(path)
    except (OSError, ValueError) as error:
        print(f"SERVICE_TOKEN_FILE: {path} {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        raise SystemExit(2) from None


def _check_mesh_tls(settings: BaseSettings) -> None:
    """End the process with one line for a certificate that cannot be read, and for plaintext off loopback."""
    if not isinstance(settings, ServiceSettings):
        return
    try:
        _ = settings.certificates
        fault = settings.plaintext_fault() if settings.serves_grpc else None
    except Unusable as error:
        fault = str(error)
    if fault is not None:
        print(fault, file=sys.stderr)
        raise SystemExit(2)


def load(kind: type[S]) -> S:
    """Read settings of this kind. Ends the process, with a line per value that is missing or malformed.

    The files of the service token and of the certificate are read here too: a wrong one is found now, not at the first
    call. In production the process also ends for what only a developer's machine has. This machine's own addresses use no
    proxy afterwards.
    """
    try:
        settings = kind()
        _check_token_file(settings)
        _check_mesh_tls(settings)
        check_production(read_environment() | _texts(settings))
        proxies.bypass()
        return settings
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            print(f"{name}: {problem['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
