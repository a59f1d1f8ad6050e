"""`tutormesh reconcile`: compare every open payment with the payment provider, now."""

from __future__ import annotations

import click

from ops.cli import call_mesh, print_json
from ops.peers import Peers
from tutormesh.payment.v1 import saga_pb2

#: The deadline of one page.
TIMEOUT_SECONDS = 60
COUNTED = ("examined", "moved", "woken", "strays")


async def reconcile_all(peers: Peers) -> dict[str, int]:
    """Reconcile everything, page by page, and return the sums of the counts (ReconcileResponse defines them)."""
    counts, token = dict.fromkeys(COUNTED, 0), ""
    while True:
        request = saga_pb2.ReconcileRequest(is_paged=True, page_token=token)
        with peers.calling("payment"):
            found = await peers.sagas.Reconcile(request, timeout=TIMEOUT_SECONDS)
        counts = {name: counts[name] + getattr(found, name) for name in COUNTED}
        token = found.next_page_token
        if not token:
            return counts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(as_json: bool) -> None:
    """Ask the payment provider about every open payment, whatever its age, and wake every saga that backs off."""
    found = call_mesh(reconcile_all)
    if as_json:
        print_json(found)
        return
    click.echo(
        f"examined {found['examined']}, of which {found['moved']} had news; woke {found['woken']} sagas;"
        f" settled {found['strays']} stray intents"
    )
