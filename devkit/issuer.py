"""`python -m devkit.issuer FOLDER`: make the keys of a mesh in containers; renew its tokens and certificates every hour.

It stands in for the identity provider and the certificates of production. `make up` does not need it: the launcher
writes them itself. The signing keys stay in the data folder, which only this process has. FOLDER gets what others need, in
a folder for each of them: the public keys in `public/`; certificates, and the tokens of callers, in `bff/`, `payment/`, ….
The edge gets tokens of the demo people besides, for its explorer.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from devkit import layout
from devkit.keys import replace_file
from devkit.layout import CALLERS, CERTIFIED, Misconfigured
from devkit.people import demo_people

EVERY_SECONDS = 3600


def issue(mesh: layout.Layout, folder: Path) -> None:
    """Write the public keys, a new certificate for every service, and a new token for every caller.

    A container is started once its file `token` or `tls.crt` is there, so these are written last.
    """
    signer = mesh.signer()
    replace_file(_in(folder, "public") / "jwks.json", (mesh.keys / "jwks.json").read_text(), mode=0o644)
    for name in CERTIFIED:
        mesh.issue_certificate(name, _in(folder, name))
    replace_file(_in(folder, "bff") / mesh.demo_tokens_file.name, demo_people(mesh))
    for name in CALLERS:
        replace_file(_in(folder, name) / "token", signer.token("service", service=name))


def _in(folder: Path, name: str) -> Path:
    own = folder / name
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return own


async def issue_forever(mesh: layout.Layout, folder: Path) -> None:
    """Write them now and every hour; each is valid for twelve. Raises Misconfigured in production."""
    while True:
        issue(mesh, folder)
        await asyncio.sleep(EVERY_SECONDS)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("issuer: the folder for keys and tokens must be given")
    try:
        asyncio.run(issue_forever(layout.load(), Path(sys.argv[1])))
    except Misconfigured as error:
        sys.exit(f"issuer: {error}")


if __name__ == "__main__":
    main()
