"""Where the mesh is, and under which token we call it.

The environment says so; where it is silent, the data folder of a mesh on this machine does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesh.identity import CredentialSource, ServiceTokenFile
from ops.own_certificate import NAME, MeshUnknown, certificates, load_layout, read_environment
from ops.peers import SERVICES

__all__ = ["MeshUnknown", "Token", "addresses", "credentials", "read_environment"]


@dataclass(frozen=True, slots=True)
class Token:
    """A service token as text, for the header `x-service-token`."""

    text: str = field(repr=False)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-service-token", self.text),)


def addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """The "host:port" of each service by its name.

    BOOKING_ADDRESS and its siblings come first; without them, the ports that `tutormesh up` would use. Raises MeshUnknown.
    """
    given = {name: environ.get(f"{name.upper()}_ADDRESS") for name in SERVICES}
    if all(given.values()):
        return {name: address for name, address in given.items() if address}
    from devkit.layout import Misconfigured

    try:
        layout = load_layout(environ)
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
    layout = load_layout(environ)
    if not layout.keys.exists():  # signing would create a key that no mesh trusts
        raise MeshUnknown(f"no mesh has run in {layout.data}; set OPS_TOKEN or SERVICE_TOKEN_FILE for another one")
    from devkit.layout import Misconfigured

    try:
        return Token(layout.signer().token("service", service=NAME))
    except Misconfigured as error:
        raise MeshUnknown(str(error)) from None


def _token_file(path: Path) -> CredentialSource:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise MeshUnknown(f"SERVICE_TOKEN_FILE: {path} cannot be read")
    return ServiceTokenFile(path)
