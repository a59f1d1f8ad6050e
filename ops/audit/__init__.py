"""`tutormesh audit`: are the invariants true, over all databases and the payment provider?

snapshot      everything the mesh and the provider say, as plain values
slots, flows, money   one pure function per invariant, from a snapshot to its breaches
invariants    all of them
collect       a snapshot over gRPC
looks         look again before a breach is believed: work in flight is no breach
command       what the operator types and reads
"""

from ops.audit.command import audit

__all__ = ["audit"]
