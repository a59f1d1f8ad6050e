"""Webhooks: the queue of owed deliveries, and their sending."""
