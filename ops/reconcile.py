"""`tutormesh reconcile`: have the payment provider asked about every open payment, now."""

from __future__ import annotations

import click

from ops.asking import ask, tell_json
from ops.peers import Peers
from tutormesh.payment.v1 import saga_pb2

#: Of one page.
TIMEOUT_SECONDS = 60
COUNTED = ("examined", "moved", "woken", "strays")


async def reconciled(peers: Peers) -> dict[str, int]:
    """Counts of one round over everything, page by page, however many there are (ReconcileResponse says of what)."""
    counts, token = dict.fromkeys(COUNTED, 0), ""
    while True:
        ask_page = saga_pb2.ReconcileRequest(is_paged=True, page_token=token)
        with peers.asking("payment"):
            found = await peers.sagas.Reconcile(ask_page, timeout=TIMEOUT_SECONDS)
        counts = {name: counts[name] + getattr(found, name) for name in COUNTED}
        token = found.next_page_token
        if not token:
            return counts


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
