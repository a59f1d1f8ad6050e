from mesh.migrations import run
from session_svc.tables import metadata

run(metadata)
