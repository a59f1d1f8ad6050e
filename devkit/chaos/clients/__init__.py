"""The clients of a run: the people, their apps and browsers, and their journeys."""
