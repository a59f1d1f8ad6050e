"""Where the mesh is and who we are: from the environment, else from the data folder of a mesh on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from mesh.identity import CredentialSource, ServiceTokenFile
from ops.peers import SERVICES

if TYPE_CHECKING:
    from devkit.layout import Layout

NAME = "ops"


class NowhereToAsk(Exception):
    """The environment does not tell where the mesh is or who we are; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A service token that somebody gave us."""

    text: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-service-token", self.text),)


def environment() -> dict[str, str]:
    """The environment over `.env`, without empty values."""
    known = {**dotenv_values(".env"), **os.environ}
    return {name: value for name, value in known.items() if value}


def addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """ "host:port" of each service: BOOKING_ADDRESS and the like, else as `tutormesh up` would lay it out here.

    Raises NowhereToAsk.
    """
    given = {name: environ.get(f"{name.upper()}_ADDRESS") for name in SERVICES}
    if all(given.values()):
        return {name: address for name, address in given.items() if address}
    from devkit.layout import Misconfigured

    try:
        layout = _layout(environ)
        return {name: address or layout.address(name) for name, address in given.items()}
    except Misconfigured as error:
        raise NowhereToAsk(str(error)) from None


def credentials(environ: Mapping[str, str]) -> CredentialSource:
    """Who we are: OPS_TOKEN, the file SERVICE_TOKEN_FILE, else a token signed with the data folder's own key.

    Raises NowhereToAsk.
    """
    if "OPS_TOKEN" in environ:
        return Token(environ["OPS_TOKEN"].strip())
    if "SERVICE_TOKEN_FILE" in environ:
        return _token_file(Path(environ["SERVICE_TOKEN_FILE"]))
    layout = _layout(environ)
    if not layout.keys.exists():  # signing would make a key that no mesh knows
        raise NowhereToAsk(f"no mesh has run in {layout.data}; set OPS_TOKEN or SERVICE_TOKEN_FILE for another one")
    return Token(layout.signer().token("service", service=NAME))


def _token_file(path: Path) -> CredentialSource:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise NowhereToAsk(f"SERVICE_TOKEN_FILE: {path} cannot be read")
    return ServiceTokenFile(path)


def _layout(environ: Mapping[str, str]) -> Layout:
    from devkit import layout

    return layout.load(environ)
