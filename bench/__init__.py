"""What a lesson costs: the real mesh, beside the cheapest that its calls and commits could be on the same machine."""
