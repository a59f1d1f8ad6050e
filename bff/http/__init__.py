"""HTTP at the edge, for every endpoint alike: the server, middleware, authentication, limits, bodies and answers."""
