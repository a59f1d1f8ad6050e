"""The chassis: what every service is built on. The chassis imports no service.

server, channels    gRPC servers that drain, channels that retry
callers, identity   which service may call an RPC; tokens, and the person or service behind one
calls               the context of one call: request id, deadline, person, service
errors              refusals with a name, which cross the wire
database            transactions with bounded retry; a refusal for each violated constraint
loops               background work that outlives its errors, and the pauses between its tries
settings            values from the environment; a wrong one stops the process and is named
logs                JSON lines or a console, without secrets
metrics             what Prometheus scrapes, on a port of its own
wire, cursors       decoding of request fields and of page tokens
money, clock        minor units with a currency; aware UTC instants
migrations          Alembic, run from code
"""
