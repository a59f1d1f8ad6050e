"""What the resolvers of one request share: the person, the peers, and the answers so far."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from google.protobuf.message import Message
from graphql import GraphQLResolveInfo

from bff.graphql.loaders import Answer, Loaders, Read, call_peer
from bff.peers import Peers
from mesh.calls import Person
from mesh.errors import Forbidden, Unauthenticated


class Context:
    """One GraphQL request. Nothing reaches a peer without a person behind it."""

    def __init__(self, peers: Peers, person: Person | None, publishable_key: str | None = None) -> None:
        self._peers, self._person, self.publishable_key = peers, person, publishable_key
        self._calls: dict[tuple[type[Message], bytes], asyncio.Task[Any]] = {}
        self._loaders: Loaders | None = None

    @property
    def person(self) -> Person:
        """The person who asks. Raises Unauthenticated for an anonymous request."""
        return self.require_person()

    def require_person(self) -> Person:
        """The same, where only the check matters."""
        if self._person is None:
            raise Unauthenticated("a token must be given")
        return self._person

    @property
    def is_anonymous(self) -> bool:
        return self._person is None

    def require_role(self, role: str) -> Person:
        """The person who asks. Raises Unauthenticated, and Forbidden without this role."""
        if role not in self.person.roles:
            raise Forbidden(f"only a {role} may do this")
        return self.person

    @property
    def peers(self) -> Peers:
        """Raises Unauthenticated for an anonymous request: a peer reads a call without a person as the edge's own."""
        self.require_person()
        return self._peers

    @property
    def by_id(self) -> Loaders:
        """The loaders that read by id. Raises Unauthenticated for an anonymous request."""
        if self._loaders is None:
            self._loaders = Loaders(self.peers)
        return self._loaders

    async def call_once(self, rpc: Read[Answer], request: Message) -> Answer:
        """The answer to a read. The same request again, while this GraphQL request lasts, gets the same answer."""
        self.require_person()
        key = (type(request), request.SerializeToString(deterministic=True))
        task = self._calls.get(key)
        if task is None:
            task = self._calls[key] = asyncio.ensure_future(call_peer(rpc, request))
            task.add_done_callback(_retrieve_exception)
        answer: Answer = await asyncio.shield(task)  # one reader's cancellation must not cancel the others'
        return answer

    def forget_answers(self) -> None:
        """A mutation may make every answer so far wrong."""
        self._calls.clear()
        self._loaders = None


#: The `info` of a resolver.
Info: TypeAlias = "GraphQLResolveInfo[Context]"


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """asyncio logs an exception that nobody retrieves, and every reader may have left."""
    if not task.cancelled():
        task.exception()
