"""The result of a run as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from devkit.chaos.checks.quiesce import Ending
from devkit.chaos.ledger import Ledger
from devkit.chaos.orders import LESSON, SEAT, Product

MOST_FINDINGS = 40
#: A slower recovery is worth a look: no wait of a saga's own is longer.
LONG_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its parameters and its results."""

    seed: int
    seconds: float
    full: bool
    ledger: Ledger
    ending: Ending
    matrix: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()
    log: str = ""
    took: float = 0.0
    findings: tuple[str, ...] = field(default=())

    @property
    def is_slow(self) -> bool:
        return self.ending.recoveries.slowest > LONG_SECONDS

    @property
    def needs_attention(self) -> bool:
        """True when the log and the data have to be kept."""
        return bool(self.findings) or self.is_slow

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        full = " FULL=1" if self.full else ""
        return f"make chaos SECONDS={self.seconds:g} SEED={self.seed}{full}"


def format_report(run: Run) -> str:
    """A table of numbers, then each finding, and how to repeat the run."""
    rows = _rows(run)
    width = max(map(len, rows))
    lines = [f"  {name.ljust(width)}  {value}" for name, value in rows.items() if value]
    for title, found in (("worth a look in the log", run.crashes), ("FOUND", run.findings)):
        lines += [f"{title}: {len(found)}", *(f"  {line}" for line in found[:MOST_FINDINGS])] if found else []
    if run.findings:
        lines.append(f"again, as near as processes allow: {run.command}")
    else:
        lines.append("nothing was sold twice, nothing was paid for nothing")
    if run.is_slow:
        lines.append(f"a recovery took longer than {LONG_SECONDS:.0f} s: worth a look")
    if run.needs_attention:
        lines.append(f"what everybody wrote, and the data beside it: {run.log}")
    return "\n".join(lines)


def _rows(run: Run) -> dict[str, str]:
    ledger, ending = run.ledger, run.ending
    slowest_takeover = max((takeover.seconds for takeover in ledger.takeovers), default=0.0)
    return {
        "seed": f"{run.seed}, {run.seconds:g} s of faults, {run.took:.0f} s in all",
        "kill -9 matrix": f"{len(run.matrix)} cells" if run.matrix else "",
        "bookings": _describe_sales(ledger, LESSON),
        "enrollments": _describe_sales(ledger, SEAT),
        "refused": _listed(ledger.refused),
        "payments": _prefixed(ledger.counts, "payments "),
        "cancels": f"{ledger.counts['cancels asked']} asked, {ledger.counts['cancels done']} done"
        f"; refused: {_prefixed(ledger.counts, 'cancels refused ') or 'none'}",
        "killed": _listed(Counter({name: n for name, n in ledger.kills.items() if name != "postgres"})),
        "database restarts": str(ledger.kills["postgres"]),
        "faults": _listed(ledger.faults),
        "sagas": _listed(ending.states),
        "recoveries": f"{ending.claimed_again} sagas claimed again; {len(ledger.takeovers)} taken over from a killed owner,"
        f" the slowest after {slowest_takeover:.1f} s",
        "slowest recovery": f"{ending.recoveries.slowest:.1f} s from an owner's death to the saga's next move"
        f" ({ending.recoveries.saga})",
        "at banks": f"{ending.recoveries.at_banks} of them waited for a refund that a bank sat on, up to"
        f" {ending.recoveries.longest_at_bank:.1f} s, not counted above"
        if ending.recoveries.at_banks
        else "",
        "edge": f"slowest answer {ledger.slowest_answer:.1f} s, {ledger.counts['connections lost']} connections lost",
        "quiesced": f"after {ending.seconds:.0f} s",
        "audit": ending.audit,
    }


def _describe_sales(ledger: Ledger, product: Product) -> str:
    ends = Counter(view.final or "no answer" for view in ledger.views.values() if view.product is product)
    attempts, repeats = ledger.counts[f"{product.noun} attempts"], ledger.counts[f"{product.noun} repeats"]
    told = f"{attempts} attempts, {repeats} repeats later, {ends.total()} {product.noun}s: {_listed(ends)}"
    courses = len({view.order for view in ledger.views.values() if view.product is product})
    return f"{told} in {courses} courses" if product is SEAT else told


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counted.items(), key=lambda item: -item[1]))


def _prefixed(counted: Mapping[str, int], prefix: str) -> str:
    return _listed({name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)})
