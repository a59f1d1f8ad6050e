"""`tutormesh audit`: are the invariants true, over all databases and the payment provider?

things        what the mesh and the provider hold, as plain values
snapshot      all of it at about one time, and how it hangs together
slots, flows, places, cancels, money, books   one pure function per invariant, from a snapshot to its breaches
invariants    all of them
collect       a snapshot over gRPC
looks         look again before a breach is believed: work in flight is no breach
metrics       a verdict as Prometheus reads it
command       what the operator types and reads
"""

from ops.audit.command import audit

__all__ = ["audit"]
