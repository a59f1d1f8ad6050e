"""Where each field gets its value, a module for each subgraph. The edge says who asks; the services decide."""
