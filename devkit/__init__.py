"""What only a developer's machine needs: the launcher, an embedded PostgreSQL, keys, demo data, a Stripe sandbox.

No service imports it; in production none of it runs.
"""
