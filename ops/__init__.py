"""The operator's command, `tutormesh`.

It calls the services over gRPC under the name "ops". It opens a database only to migrate it. Only `up` and the
development tokens come from devkit.
"""
