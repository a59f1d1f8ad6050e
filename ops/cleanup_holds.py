"""`tutormesh cleanup-holds`: run the BookingHoldCleanupJob once, now."""

from __future__ import annotations

import click

from ops.cli import call_mesh, print_json
from ops.peers import Peers
from tutormesh.availability.v1 import availability_pb2

TIMEOUT_SECONDS = 60


async def clean_up_holds(peers: Peers) -> availability_pb2.CleanUpHoldsResponse:
    """Delete lapsed holds and forgotten blocks; how many."""
    with peers.calling("availability"):
        return await peers.availability.CleanUpHolds(availability_pb2.CleanUpHoldsRequest(), timeout=TIMEOUT_SECONDS)


@click.command("cleanup-holds")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cleanup_holds(as_json: bool) -> None:
    """Delete holds that have lapsed, as the BookingHoldCleanupJob does each HOLD_CLEANUP_SECONDS.

    Nobody waits for it: whoever wants the time of a lapsed hold gets it anyway.
    """
    done = call_mesh(clean_up_holds)
    if as_json:
        print_json({"claims": done.claims, "blocks": done.blocks})
        return
    click.echo(f"deleted {done.claims} claims of lapsed holds, {done.blocks} old blocks")
