"""proto ↔ the schema's types, a module for each subgraph. Every function is pure; bad arguments raise BadInput."""
