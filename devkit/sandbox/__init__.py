"""A stand-in for Stripe's server, for development and tests.

It speaks the part of Stripe's wire that tutormesh uses, so that the official library cannot tell the difference:
PaymentIntents, charges, refunds, disputes, events, idempotency keys, signed webhooks. What Stripe itself would
never offer (faults, webhook modes, the whole state at once) lives under `/_sandbox`. Money is integer minor units,
instants are Unix seconds. One process, one event loop: an operation runs from its first read to its commit without
yielding, so two requests never interleave. State lives in one SQLite file and survives a restart and a kill.
"""
