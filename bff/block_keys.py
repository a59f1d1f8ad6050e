"""The request ids of blocks, made of clients' keys. The same key means the same request at GraphQL and at REST."""

from __future__ import annotations

from uuid import UUID, uuid5

from mesh.errors import BadInput

LONGEST_KEY = 255
#: If it changed, a repeat would no longer be recognized.
NAMESPACE = UUID("5b0c1c1e-7f2d-4c5b-8a53-0f7f0d6c2a11")


def block_request_id(person: UUID, tutor: str, key: str | None, field: str) -> str:
    """An id for the caller's key, empty without one. The same key of another caller, or for another tutor, has another id.

    Raises BadInput that names `field`.
    """
    if key is None:
        return ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise BadInput(f"must have 1 to {LONGEST_KEY} characters", field=field)
    return str(uuid5(NAMESPACE, f"{person}:{tutor}:{key}"))
