"""What is checked at the end of a run: work in flight, recovery times, the audit, promises to clients, crashes."""
