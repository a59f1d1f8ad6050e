"""GraphQL at the edge: over HTTP (`endpoint.py`) and over WebSockets (`websocket/`)."""
