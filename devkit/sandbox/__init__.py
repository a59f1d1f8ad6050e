"""A stand-in for Stripe's server, for development and tests.

It speaks the part of Stripe's API that tutormesh uses: PaymentIntents, charges, refunds, disputes, events, idempotency
keys and signed webhooks. The official library cannot tell the difference. Money is in integer minor units, instants
are Unix seconds.

One process has one event loop. An operation runs from its first read to its commit without yielding, so two requests
never interleave. State is kept in one SQLite file, which survives a restart and a kill.

| module | does |
|---|---|
| `app` | the routes |
| `http/` | what every request passes: key, faults, idempotency; and `/_sandbox`, which Stripe does not have |
| `resources/` | Stripe's objects and the operations on them |
| `webhooks/` | the queue of events and their delivery |
| `faults`, `idempotency`, `mail` | ordered faults, kept answers, received mail |
| `wire/` | forms, parameters, ids and errors as Stripe writes them |
| `store`, `sandbox`, `settings` | the SQLite file, the parts put together, the environment |
"""
