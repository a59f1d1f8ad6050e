"""`tutormesh audit`: do the invariants hold, over all databases and the payment provider?

| module | answers |
|---|---|
| `records` | what do the mesh and the provider hold, as plain values? |
| `snapshot` | what do all of them hold at about one time, and which record belongs to which? |
| `spool` | how is all of it looked at with little memory? |
| `collect`, `convert` | how is it read over gRPC? |
| `changes` | how is only that read which has changed since the last audit, and what belongs to it? |
| `mark` | what does an audit keep for the next one? |
| `auditor` | what is read this time, and what is kept? |
| `invariants/` | what must be true? Pure functions from a snapshot to its breaches |
| `verdict` | is a breach real, or work in flight? |
| `metrics` | how does Prometheus read a verdict? |
| `command` | what does the operator type and read? |
"""

from ops.audit.command import audit

__all__ = ["audit"]
