"""Demo data that the launcher loads once, and a demo lesson for `make demo`."""
