from learning_svc.tables import metadata
from mesh.migrations import run

run(metadata)
