"""The services that may call each RPC. The protos declare them and `mesh.server.Gate` enforces them."""

from __future__ import annotations

from google.protobuf.descriptor import ServiceDescriptor

from tutormesh.common.v1 import callers_pb2


def declared_callers(service: ServiceDescriptor) -> dict[str, frozenset[str]]:
    """Full method name ("/tutormesh.x.v1.XService/Do") → names of the services that may call it.

    Raises ValueError for an RPC that declares no callers: the chassis does not serve it.
    """
    table = {}
    for method in service.methods:
        callers = frozenset(method.GetOptions().Extensions[callers_pb2.callers])
        if not callers:
            raise ValueError(f"{method.full_name} declares no callers")
        table[f"/{service.full_name}/{method.name}"] = callers
    return table
