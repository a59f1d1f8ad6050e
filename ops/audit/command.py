"""What the operator types and reads."""

from __future__ import annotations

from dataclasses import asdict

import click

from ops.asking import Unanswered, ask, one_line, tell_json
from ops.audit.collect import collected
from ops.audit.looks import Verdict, judged
from ops.audit.metrics import exposition
from ops.peers import Peers


async def audited(peers: Peers) -> Verdict:
    """The verdict on a running mesh. Raises NoAnswer, or the refusal of a service that could not be looked into."""
    return await judged(lambda: collected(peers))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print gauges in Prometheus's text format.")
def audit(as_json: bool, as_metrics: bool) -> None:
    """Check the invariants over all databases and the payment provider.

    Ends with 0 when they hold, with 1 on a breach, with 2 when it could not look.

    As a gauge, for node_exporter's textfile collector (a look that fails prints nothing, and the timestamp grows old):

    \b
        tutormesh audit --metrics > audit.prom.new
        test $? -le 1 && mv audit.prom.new /var/lib/node_exporter/audit.prom
    """
    if as_json and as_metrics:
        raise click.UsageError("--json and --metrics exclude each other")
    verdict = ask(audited, refused=Unanswered)
    if as_metrics:
        click.echo(exposition(verdict))
    elif as_json:
        breaches = [asdict(breach) for breach in verdict.breaches]
        tell_json({"clean": not breaches, "counted": verdict.counted, "breaches": breaches})
    else:
        click.echo(report(verdict))
    raise click.exceptions.Exit(1 if verdict.breaches else 0)


def report(verdict: Verdict) -> str:
    """Each breach with what to do about it, then what was counted in one line."""
    counted = ", ".join(f"{number} {kind}" for kind, number in verdict.counted.items())
    if not verdict.breaches:
        return f"clean: {counted}"
    lines = [f"{breach.invariant}: {one_line(breach.what)}\n    do: {breach.do}" for breach in verdict.breaches]
    return "\n".join([*lines, f"{len(lines)} breach{'' if len(lines) == 1 else 'es'} in {counted}"])
