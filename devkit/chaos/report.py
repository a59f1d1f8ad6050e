"""What a run is summed up as, for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from devkit.chaos.ledger import Ledger
from devkit.chaos.rest import Rest

MOST_FINDINGS = 40


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what it was asked for, and what came of it."""

    seed: int
    seconds: float
    full: bool
    ledger: Ledger
    rest: Rest
    matrix: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    log: str = ""
    took: float = 0.0
    findings: tuple[str, ...] = field(default=())

    @property
    def repeat(self) -> str:
        full = " FULL=1" if self.full else ""
        return f"make chaos SECONDS={self.seconds:g} SEED={self.seed}{full}"


def written(run: Run) -> str:
    """The table, then each finding and how to repeat the run."""
    rows = _rows(run)
    width = max(map(len, rows))
    lines = [f"  {name.ljust(width)}  {value}" for name, value in rows.items() if value]
    for title, told in (("worth a look in the log", run.crashes), ("FOUND", run.findings)):
        lines += [f"{title}: {len(told)}", *(f"  {line}" for line in told[:MOST_FINDINGS])] if told else []
    if run.findings:
        lines += [f"again, as near as processes allow: {run.repeat}", f"what everybody wrote: {run.log}"]
    else:
        lines.append("nothing was sold twice, nothing was paid for nothing")
    return "\n".join(lines)


def _rows(run: Run) -> dict[str, str]:
    ledger, rest = run.ledger, run.rest
    ends = Counter(view.final or "no answer" for view in ledger.views.values())
    slowest_takeover = max((orphan.seconds for orphan in ledger.orphans), default=0.0)
    return {
        "seed": f"{run.seed}, {run.seconds:g} s of faults, {run.took:.0f} s in all",
        "kill -9 matrix": f"{len(run.matrix)} cells" if run.matrix else "",
        "bookings": f"{ledger.counts['booking attempts']} attempts, {ledger.counts['repeats']} repeats later, "
        f"{len(ledger.views)} bookings: {_listed(ends)}",
        "refused": _listed(ledger.refused),
        "payments": _prefixed(ledger.counts, "payments "),
        "cancels": f"{ledger.counts['cancels asked']} asked, {ledger.counts['cancels done']} done"
        f"; refused: {_prefixed(ledger.counts, 'cancels refused ') or 'none'}",
        "killed": _listed(Counter({name: n for name, n in ledger.kills.items() if name != "postgres"})),
        "database restarts": str(ledger.kills["postgres"]),
        "faults": _listed(ledger.faults),
        "sagas": _listed(rest.states),
        "recoveries": f"{rest.claimed_again} sagas claimed again; {len(ledger.orphans)} taken over from a killed owner,"
        f" the slowest after {slowest_takeover:.1f} s",
        "slowest recovery": f"{rest.slowest_move:.1f} s from an owner's death to the saga's next move"
        f" ({rest.slowest_saga})",
        "edge": f"slowest answer {ledger.slowest_answer:.1f} s, {ledger.counts['connections lost']} connections lost",
        "rest": f"after {rest.seconds:.0f} s",
        "audit": rest.audit,
    }


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counted.items(), key=lambda item: -item[1]))


def _prefixed(counted: Mapping[str, int], prefix: str) -> str:
    return _listed({name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)})
