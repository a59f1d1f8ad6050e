"""HTTP at the edge: the server, the middleware every request passes, and the limits on what clients send."""
