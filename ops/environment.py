"""Where the mesh is, and under which token we call it.

The environment says so; where it is silent, the data folder of a mesh on this machine does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from mesh.certificates import NAMES, SETTINGS, Certificates, Files, Unusable, files_in
from mesh.identity import CredentialSource, ServiceTokenFile
from ops.peers import SERVICES

if TYPE_CHECKING:
    from devkit.layout import Layout

NAME = "ops"


class MeshUnknown(Exception):
    """The environment does not say where the mesh is or who we are; the message names what is missing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A service token as text, for the header `x-service-token`."""

    text: str = field(repr=False)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-service-token", self.text),)


def read_environment() -> dict[str, str]:
    """The environment over `.env`; empty values are left out."""
    known = {**dotenv_values(".env"), **os.environ}
    return {name: value for name, value in known.items() if value}


def addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """The "host:port" of each service by its name.

    BOOKING_ADDRESS and its siblings come first; without them, the ports that `tutormesh up` would use. Raises MeshUnknown.
    """
    given = {name: environ.get(f"{name.upper()}_ADDRESS") for name in SERVICES}
    if all(given.values()):
        return {name: address for name, address in given.items() if address}
    from devkit.layout import Misconfigured

    try:
        layout = _layout(environ)
        return {name: address or layout.address(name) for name, address in given.items()}
    except Misconfigured as error:
        raise MeshUnknown(str(error)) from None


def credentials(environ: Mapping[str, str]) -> CredentialSource:
    """Who calls: the certificate where MESH_TLS is on, else a service token. Raises MeshUnknown.

    Sources of the token, in order: OPS_TOKEN, the file SERVICE_TOKEN_FILE, one signed with the data folder's key.
    """
    if (found := certificates(environ)) is not None:
        return found
    if "OPS_TOKEN" in environ:
        return Token(environ["OPS_TOKEN"].strip())
    if "SERVICE_TOKEN_FILE" in environ:
        return _token_file(Path(environ["SERVICE_TOKEN_FILE"]))
    layout = _layout(environ)
    if not layout.keys.exists():  # signing would create a key that no mesh trusts
        raise MeshUnknown(f"no mesh has run in {layout.data}; set OPS_TOKEN or SERVICE_TOKEN_FILE for another one")
    from devkit.layout import Misconfigured

    try:
        return Token(layout.signer().token("service", service=NAME))
    except Misconfigured as error:
        raise MeshUnknown(str(error)) from None


def certificates(environ: Mapping[str, str]) -> Certificates | None:
    """The operator's certificate: of the files that MESH_CERT_DIR and its siblings name, else of the data folder.

    None where MESH_TLS is not on. Without MESH_TLS and addresses, the mesh of the data folder decides. Raises MeshUnknown.
    """
    from devkit.layout import Misconfigured

    try:
        files = _certificate_files(environ)
        return None if files is None else Certificates(files)
    except (Unusable, Misconfigured) as error:
        raise MeshUnknown(str(error)) from None


def _certificate_files(environ: Mapping[str, str]) -> Files | None:
    if environ.get("MESH_TLS", "off") == "on" and any(
        name in environ for name in ("MESH_CERT_DIR", *map(str, SETTINGS))
    ):
        folder = environ.get("MESH_CERT_DIR", "")
        return Files(
            *(Path(environ.get(str(key)) or Path(folder, name)) for key, name in zip(SETTINGS, NAMES, strict=True))
        )
    if "MESH_TLS" not in environ and any(f"{name.upper()}_ADDRESS" in environ for name in SERVICES):
        return None  # it is not the mesh of the data folder
    layout = _layout(environ)
    return files_in(layout.certificates / NAME) if layout.uses_certificates() else None


def _token_file(path: Path) -> CredentialSource:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise MeshUnknown(f"SERVICE_TOKEN_FILE: {path} cannot be read")
    return ServiceTokenFile(path)


def _layout(environ: Mapping[str, str]) -> Layout:
    from devkit import layout

    return layout.load(environ)
