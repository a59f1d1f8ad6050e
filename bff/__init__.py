"""The edge: GraphQL, REST and Stripe's webhooks, in front of the services.

| folder or module | question |
|---|---|
| `app.py` | which endpoint is at which path? |
| `graphql/` | what can an app ask by GraphQL, and what does it get? `graphql/websocket/`: the same over WebSockets |
| `rest/` | what can a backend ask by REST? |
| `webhooks.py` | what becomes of Stripe's events? |
| `http/` | what does every HTTP request pass, and which limits has it? |
| `peers.py`, `settings.py` | which services are behind the edge, and what does the operator decide? |

The edge owns nothing: no rule, no database, no secret of the payment provider. It checks who calls, translates
requests into gRPC and replies back, and refuses what costs too much.

Promises: every GraphQL request is answered within 10 s, with a typed error if need be. Another person's things answer
as if they did not exist. No answer carries internals. No token and no client secret is logged. A subscriber misses no
change of a booking, and a client that leaves leaves nothing running.
"""
