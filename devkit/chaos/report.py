"""What a run is summed up as, for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from devkit.chaos.ledger import Ledger
from devkit.chaos.rest import Rest
from devkit.chaos.wares import LESSON, PLACE, Ware

MOST_FINDINGS = 40
#: Nothing that a saga waits for by itself takes longer; who did wait is worth a look.
LONG_SECONDS = 30.0


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
    def is_slow(self) -> bool:
        return self.rest.pace.slowest > LONG_SECONDS

    @property
    def is_to_be_looked_at(self) -> bool:
        """True when its log and its data should stay."""
        return bool(self.findings) or self.is_slow

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
        lines.append(f"again, as near as processes allow: {run.repeat}")
    else:
        lines.append("nothing was sold twice, nothing was paid for nothing")
    if run.is_slow:
        lines.append(f"a recovery took longer than {LONG_SECONDS:.0f} s: worth a look")
    if run.is_to_be_looked_at:
        lines.append(f"what everybody wrote, and the data beside it: {run.log}")
    return "\n".join(lines)


def _rows(run: Run) -> dict[str, str]:
    ledger, rest = run.ledger, run.rest
    slowest_takeover = max((orphan.seconds for orphan in ledger.orphans), default=0.0)
    return {
        "seed": f"{run.seed}, {run.seconds:g} s of faults, {run.took:.0f} s in all",
        "kill -9 matrix": f"{len(run.matrix)} cells" if run.matrix else "",
        "bookings": _sold(ledger, LESSON),
        "enrollments": _sold(ledger, PLACE),
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
        "slowest recovery": f"{rest.pace.slowest:.1f} s from an owner's death to the saga's next move"
        f" ({rest.pace.saga})",
        "at banks": f"{rest.pace.at_banks} of them waited for a refund that a bank sat on, up to"
        f" {rest.pace.longest_at_bank:.1f} s, not counted above"
        if rest.pace.at_banks
        else "",
        "edge": f"slowest answer {ledger.slowest_answer:.1f} s, {ledger.counts['connections lost']} connections lost",
        "rest": f"after {rest.seconds:.0f} s",
        "audit": rest.audit,
    }


def _sold(ledger: Ledger, ware: Ware) -> str:
    ends = Counter(view.final or "no answer" for view in ledger.views.values() if view.ware is ware)
    attempts, repeats = ledger.counts[f"{ware.noun} attempts"], ledger.counts[f"{ware.noun} repeats"]
    told = f"{attempts} attempts, {repeats} repeats later, {ends.total()} {ware.noun}s: {_listed(ends)}"
    courses = len({view.wish for view in ledger.views.values() if view.ware is ware})
    return f"{told} in {courses} courses" if ware is PLACE else told


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counted.items(), key=lambda item: -item[1]))


def _prefixed(counted: Mapping[str, int], prefix: str) -> str:
    return _listed({name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)})
