"""The operator's command: `tutormesh up | migrate | token | saga | audit | reconcile`.

It talks gRPC to the services like everybody else, under the name "ops", and opens no database but to migrate it.
Only `up`, and the development tokens it needs, come from devkit.
"""
