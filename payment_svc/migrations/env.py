"""Alembic's way in."""

from mesh.migrations import run
from payment_svc.tables import metadata

run(metadata)
