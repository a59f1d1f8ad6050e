"""`python -m devkit.issuer`: write keys and service tokens for a mesh in containers, and renew the tokens every hour.

It stands in for the identity provider and the certificates of production. `make up` does not need it: the launcher
writes tokens itself.
"""

from __future__ import annotations

import asyncio

from devkit import layout
from devkit.layout import PROGRAMS

EVERY_SECONDS = 3600


def issue(mesh: layout.Layout) -> None:
    """Write a new token for every program, and the keys when they do not exist."""
    for name in (*PROGRAMS, "ops"):
        mesh.write_service_token(name)


async def issue_forever(mesh: layout.Layout) -> None:
    """Write tokens now and every hour; a token is valid for twelve."""
    while True:
        issue(mesh)
        await asyncio.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    asyncio.run(issue_forever(layout.load()))
