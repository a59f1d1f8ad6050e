"""`tutormesh reconcile`: have the payment provider asked about every open payment, now."""

from __future__ import annotations

import click

from ops.asking import ask, tell_json
from ops.peers import Peers
from tutormesh.payment.v1 import saga_pb2

TIMEOUT_SECONDS = 60


async def reconciled(peers: Peers) -> dict[str, int]:
    """Counts of one round over everything: examined, moved, woken, strays (ReconcileResponse says what they are)."""
    with peers.asking("payment"):
        found = await peers.sagas.Reconcile(saga_pb2.ReconcileRequest(), timeout=TIMEOUT_SECONDS)
    return {"examined": found.examined, "moved": found.moved, "woken": found.woken, "strays": found.strays}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(as_json: bool) -> None:
    """Ask the payment provider about every open payment, whatever its age, and wake every saga that backs off."""
    found = ask(reconciled)
    if as_json:
        tell_json(found)
        return
    click.echo(
        f"examined {found['examined']}, of which {found['moved']} had news; woke {found['woken']} sagas;"
        f" settled {found['strays']} stray intents"
    )
