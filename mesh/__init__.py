"""The chassis every service of the mesh is built on. It knows no service.

server, channels    gRPC servers that drain, channels that retry
errors, identity    refusals that cross the wire, who calls and who may
calls               what one call carries: request id, deadline, person, service
database            transactions with bounded retry, constraints with names
settings, logs      values that fail by name, logs that keep secrets
loops               background work that outlives its errors, and waits between tries
money, clock, wire, cursors, migrations
"""
