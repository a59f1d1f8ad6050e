"""Other engines, which run the same steps on the same server as ours: `make bench-peers`."""
