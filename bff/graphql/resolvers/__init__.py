"""Where each field of the schema gets its value. The services decide; the edge translates."""
