"""The edge: GraphQL and the webhook door, in front of the mesh.

It owns nothing: no rule, no database, no secret of the payment provider. It checks who calls, translates what is asked
into gRPC and what is answered into GraphQL, and keeps what costs too much out.

Promises: every GraphQL call answers within 10 s, with a typed error if it must; another person's things answer as if
they did not exist; no answer carries internals; no token and no client secret is logged. Who listens to a booking misses
no change of it, and who leaves leaves nothing behind.
"""
