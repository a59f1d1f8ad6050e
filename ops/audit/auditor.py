"""An audit from its mark to its verdict: of everything, or of what has changed since the last one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mesh import clock
from ops.audit.changes import MarkLost, collect_changes, read_marks
from ops.audit.collect import collect_everything
from ops.audit.mark import Mark, get_mark, keep_mark
from ops.audit.snapshot import Breach
from ops.audit.spool import Spool
from ops.audit.verdict import Verdict, judge
from ops.peers import Peers


@dataclass(frozen=True, slots=True)
class Audit:
    """A verdict, since when it looked (None: it read everything), and when everything was last read."""

    verdict: Verdict
    since: datetime | None
    full_at: datetime


class Auditor:
    """Looks at a running mesh, and remembers what its last look has found."""

    def __init__(self, peers: Peers, since: Mark | None) -> None:
        self._peers, self._since = peers, since
        self._begins: dict[str, str] = {}
        self._found: list[Breach] = []

    async def audit(self, pauses: Sequence[float]) -> Audit:
        """Raises NoAnswer, or the refusal of a service that could not be read. Then nothing is kept."""
        verdict = await judge(self._look, pauses, self._find)
        since, looked_at = self._since, verdict.looked_at.timestamp()
        suspects = tuple(dict.fromkeys(id_ for breach in self._found for id_ in breach.ids if id_))
        mark = Mark(self._begins, suspects, since.full_at if since else looked_at, looked_at)
        await keep_mark(self._peers, mark)
        return Audit(verdict, _at(since.kept_at) if since else None, _at(mark.full_at))

    async def _look(self) -> Spool:
        """What changed, with all that belongs to it. After a lost mark: everything, now and in the further looks."""
        if self._since is not None:
            try:
                spool, self._begins = await collect_changes(self._peers, self._since.begins, self._since.suspects)
                return spool
            except MarkLost:
                self._since = None
        self._begins = await read_marks(self._peers)
        return await collect_everything(self._peers)

    def _find(self, spool: Spool) -> list[Breach]:
        with closing(spool):
            self._found = spool.find_breaches()
        return self._found


async def audit_changes(peers: Peers, pauses: Sequence[float], full_after: timedelta | None = None) -> Audit:
    """Audit what has changed since the last audit. Raises what `Auditor.audit` raises.

    Everything is read when there was no audit before, or when the last one of everything is `full_after` old.
    """
    since = await get_mark(peers)
    if since is not None and full_after is not None and clock.now() - _at(since.full_at) >= full_after:
        since = None
    return await Auditor(peers, since).audit(pauses)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
