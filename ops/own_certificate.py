"""The operator's certificate, where the mesh has certificates. It imports little: container healthchecks run it often."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from mesh.certificates import NAMES, SETTINGS, Certificates, Files, Unusable, files_in

if TYPE_CHECKING:
    from devkit.layout import Layout

NAME = "ops"
_ADDRESSES = tuple(f"{name}_ADDRESS" for name in ("AVAILABILITY", "BOOKING", "LEARNING", "PAYMENT", "SESSION"))


class MeshUnknown(Exception):
    """The environment does not say where the mesh is or who we are; the message names what is missing."""


def read_environment() -> dict[str, str]:
    """The environment over `.env`; empty values are left out."""
    known = {**dotenv_values(".env"), **os.environ}
    return {name: value for name, value in known.items() if value}


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
    if "MESH_TLS" not in environ and not environ.keys().isdisjoint(_ADDRESSES):
        return None  # it is not the mesh of the data folder
    layout = load_layout(environ)
    return files_in(layout.certificates / NAME) if layout.uses_certificates() else None


def load_layout(environ: Mapping[str, str]) -> Layout:
    """The mesh of the data folder that the environment names."""
    from devkit import layout

    return layout.load(environ)
