"""`tutormesh audit` as the operator types and reads it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict

import click

from ops.audit.collect import collect_spool
from ops.audit.metrics import format_metrics
from ops.audit.snapshot import Breach, OpenMatter
from ops.audit.spool import Spool
from ops.audit.verdict import PAUSES, Verdict, judge
from ops.cli import Unanswered, call_mesh, one_line, print_json
from ops.peers import Peers


async def audit_mesh(peers: Peers, pauses: Sequence[float] | None = None) -> Verdict:
    """Audit a running mesh. Raises NoAnswer, or the refusal of a service that could not be read."""
    return await judge(lambda: collect_spool(peers), PAUSES if pauses is None else pauses, _find_and_close)


def _find_and_close(spool: Spool) -> list[Breach]:
    with closing(spool):
        return spool.find_breaches()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print gauges in Prometheus's text format.")
def audit(as_json: bool, as_metrics: bool) -> None:
    """Check the invariants over all databases and the payment provider.

    Ends with 0 when they hold, with 1 on a breach, with 2 when it could not look. PARKED sagas are listed as open
    matters: they wait for a person, and break no invariant.

    Gauges for node_exporter's textfile collector (an audit that fails prints nothing, so the timestamp grows old):

    \b
        tutormesh audit --metrics > audit.prom.new
        test $? -le 1 && mv audit.prom.new /var/lib/node_exporter/audit.prom
    """
    if as_json and as_metrics:
        raise click.UsageError("--json and --metrics exclude each other")
    verdict = call_mesh(audit_mesh, refused=Unanswered)
    if as_metrics:
        click.echo(format_metrics(verdict))
    elif as_json:
        breaches = [asdict(breach) for breach in verdict.breaches]
        waiting = [asdict(matter) for matter in verdict.open_matters]
        print_json({"clean": not breaches, "counted": verdict.counted, "breaches": breaches, "open_matters": waiting})
    else:
        click.echo(report(verdict))
    raise click.exceptions.Exit(1 if verdict.breaches else 0)


def report(verdict: Verdict) -> str:
    """Each open matter and each breach with what to do about it, then one line with the counts."""
    counted = ", ".join(f"{number} {kind}" for kind, number in verdict.counted.items())
    waiting = [_describe(matter) for matter in verdict.open_matters]
    broken = [f"{breach.invariant}: {one_line(breach.what)}\n    do: {breach.do}" for breach in verdict.breaches]
    matters = f"; {_count(len(waiting), 'open matter', 's')}" if waiting else ""
    ending = f"{_count(len(broken), 'breach', 'es')} in {counted}" if broken else f"clean: {counted}"
    return "\n".join([*waiting, *broken, f"{ending}{matters}"])


def _describe(matter: OpenMatter) -> str:
    what = f"open: {matter.kind} {matter.saga_id} waits for a person: {one_line(matter.why)}"
    return f"{what}\n    do: look at `tutormesh saga show {matter.saga_id}`"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
