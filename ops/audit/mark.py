"""What an audit keeps for the next one: where each list of changes begins, and what it must look at again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ops.peers import Peers
from tutormesh.payment.v1 import saga_pb2

TIMEOUT_SECONDS = 10
#: What payment_svc takes. An audit with more breaches than fit keeps nothing: the next one looks at the same again.
MOST_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Mark:
    """`begins` has the mark of each list, by its name. `suspects` are the ids of the last look's breaches, believed or not.

    `full_at` is when everything was last read, in Unix seconds; `kept_at` is when the audit that keeps it began.
    """

    begins: Mapping[str, str]
    suspects: tuple[str, ...]
    full_at: float
    kept_at: float


async def get_mark(peers: Peers) -> Mark | None:
    """What the last audit has kept; None when there is nothing that can be read."""
    with peers.calling("payment"):
        kept = await peers.sagas.GetAuditMark(saga_pb2.GetAuditMarkRequest(), timeout=TIMEOUT_SECONDS)
    try:
        fields = json.loads(kept.mark)
        return Mark(
            dict(fields["begins"]), tuple(fields["suspects"]), float(fields["full_at"]), float(fields["kept_at"])
        )
    except (ValueError, KeyError, TypeError):
        return None


async def keep_mark(peers: Peers, mark: Mark) -> None:
    """Keep it for the next audit, unless it is too long."""
    fields = {"begins": dict(mark.begins), "suspects": mark.suspects, "full_at": mark.full_at, "kept_at": mark.kept_at}
    text = json.dumps(fields)
    if len(text) > MOST_CHARACTERS:
        return
    with peers.calling("payment"):
        await peers.sagas.KeepAuditMark(saga_pb2.KeepAuditMarkRequest(mark=text), timeout=TIMEOUT_SECONDS)
