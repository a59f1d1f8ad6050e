"""`tutormesh audit` as the operator types and reads it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta

import click

from mesh import clock
from ops.audit.auditor import Audit, audit_changes
from ops.audit.collect import collect_everything
from ops.audit.metrics import format_metrics
from ops.audit.snapshot import Breach, OpenMatter
from ops.audit.spool import Spool
from ops.audit.verdict import PAUSES, Verdict, judge
from ops.cli import Unanswered, call_mesh, one_line, print_json
from ops.peers import Peers


async def audit_mesh(peers: Peers, pauses: Sequence[float] | None = None) -> Verdict:
    """Audit everything that a running mesh holds, and keep no mark.

    Raises NoAnswer, or the refusal of a service that could not be read.
    """
    return await judge(lambda: collect_everything(peers), PAUSES if pauses is None else pauses, _find_and_close)


def _find_and_close(spool: Spool) -> list[Breach]:
    with closing(spool):
        return spool.find_breaches()


@click.command()
@click.option("--full", is_flag=True, help="Read everything, also what has not changed since the last audit.")
@click.option(
    "--full-after",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    help="Read everything when that was last done so long ago.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print gauges in Prometheus's text format.")
def audit(full: bool, full_after: float | None, as_json: bool, as_metrics: bool) -> None:
    """Check the invariants over all databases and the payment provider.

    Reads what has changed since the last audit, and what belongs to it; everything with --full, and when there was no
    audit before. Each hour: --full-after 24. What only --full finds is in docs/operations.md, "What an audit reads".

    Ends with 0 when they hold, with 1 on a breach, with 2 when it could not look. PARKED sagas are listed as open
    matters: they wait for a person, and break no invariant.

    Gauges for node_exporter's textfile collector (an audit that fails prints nothing, so the timestamp grows old):

    \b
        tutormesh audit --metrics > audit.prom.new
        test $? -le 1 && mv audit.prom.new /var/lib/node_exporter/audit.prom
    """
    if as_json and as_metrics:
        raise click.UsageError("--json and --metrics exclude each other")
    limit = timedelta() if full else None if full_after is None else timedelta(hours=full_after)
    done = call_mesh(lambda peers: audit_changes(peers, PAUSES, limit), refused=Unanswered)
    verdict = done.verdict
    if as_metrics:
        click.echo(format_metrics(verdict, done.full_at))
    elif as_json:
        print_json(_as_json(done))
    else:
        click.echo(report(done))
    raise click.exceptions.Exit(1 if verdict.breaches else 0)


def _as_json(done: Audit) -> dict[str, object]:
    verdict = done.verdict
    return {
        "clean": not verdict.breaches,
        "since": done.since.isoformat() if done.since else None,
        "counted": verdict.counted,
        "breaches": [asdict(breach) for breach in verdict.breaches],
        "open_matters": [asdict(matter) for matter in verdict.open_matters],
    }


def report(done: Audit) -> str:
    """Each open matter and each breach with what to do about it, a line with the counts, and since when it looked."""
    verdict = done.verdict
    counted = ", ".join(f"{number} {kind}" for kind, number in verdict.counted.items())
    waiting = [_describe(matter) for matter in verdict.open_matters]
    broken = [f"{breach.invariant}: {one_line(breach.what)}\n    do: {breach.do}" for breach in verdict.breaches]
    matters = f"; {_count(len(waiting), 'open matter', 's')}" if waiting else ""
    ending = f"{_count(len(broken), 'breach', 'es')} in {counted}" if broken else f"clean: {counted}"
    since = [f"of what has changed since {clock.iso(done.since)}; --full reads everything"] if done.since else []
    return "\n".join([*waiting, *broken, f"{ending}{matters}", *since])


def _describe(matter: OpenMatter) -> str:
    what = f"open: {matter.kind} {matter.saga_id} waits for a person: {one_line(matter.why)}"
    return f"{what}\n    do: look at `tutormesh saga show {matter.saga_id}`"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
