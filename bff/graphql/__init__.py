"""GraphQL at the edge.

A request comes to `endpoint.py`, or over a WebSocket to `websocket/`. `operations.py` runs it: `documents.py` reads and
validates its document, `limits.py` measures what it may cost, and `resolvers/` find the value of each field. `schema/`
is the schema's text, `convert/` translates between protos and its types, and `errors.py` tells what went wrong.
"""
