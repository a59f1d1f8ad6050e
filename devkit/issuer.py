"""`python -m devkit.issuer`: keys and service tokens for a mesh in containers on one machine, renewed every hour.

A stand-in for the identity provider and the certificates of production, as the launcher is for `make up`.
"""

from __future__ import annotations

import asyncio

from devkit import layout
from devkit.layout import PROGRAMS

EVERY_SECONDS = 3600


def issue(mesh: layout.Layout) -> None:
    """Write a fresh token for every program, and the keys when there are none."""
    for name in (*PROGRAMS, "ops"):
        mesh.write_service_token(name)


async def issue_forever(mesh: layout.Layout) -> None:
    """Issue now, and again every hour: the tokens last twelve."""
    while True:
        issue(mesh)
        await asyncio.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    asyncio.run(issue_forever(layout.load()))
