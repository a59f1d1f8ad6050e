"""What the resolvers of one request share: the person, the peers, and what has already been asked."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from google.protobuf.message import Message
from graphql import GraphQLResolveInfo

from bff.graphql.loaders import Answer, Loaders, Read, read
from bff.peers import Peers
from mesh.calls import Person
from mesh.errors import Unauthenticated

#: Seconds for what may take longer than a read, since it waits for the payment provider.
BOOK_SECONDS, CANCEL_SECONDS = 8.0, 8.0


class Context:
    """One GraphQL request. Nothing reaches a peer without a person behind it."""

    def __init__(self, peers: Peers, person: Person | None, publishable_key: str | None = None) -> None:
        self._peers, self._person, self.publishable_key = peers, person, publishable_key
        self._asked: dict[tuple[type[Message], bytes], asyncio.Task[Any]] = {}
        self._loaders: Loaders | None = None

    @property
    def person(self) -> Person:
        """Who asks. Raises Unauthenticated for an anonymous request."""
        if self._person is None:
            raise Unauthenticated("a token must be given")
        return self._person

    @property
    def is_anonymous(self) -> bool:
        return self._person is None

    @property
    def mesh(self) -> Peers:
        """The peers. Raises Unauthenticated for an anonymous request: to a peer, no person means the edge itself."""
        _ = self.person
        return self._peers

    @property
    def by_id(self) -> Loaders:
        """What is read by id. Raises Unauthenticated for an anonymous request."""
        if self._loaders is None:
            self._loaders = Loaders(self.mesh)
        return self._loaders

    async def once(self, rpc: Read[Answer], request: Message) -> Answer:
        """The answer to a read; the same question within this request is asked once, whoever asks first."""
        _ = self.person
        key = (type(request), request.SerializeToString(deterministic=True))
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(read(rpc, request))
            task.add_done_callback(_read_the_outcome)
        answer: Answer = await asyncio.shield(task)  # one reader's cancellation is not the others'
        return answer

    def forget(self) -> None:
        """What was read before a mutation may no longer be so."""
        self._asked.clear()
        self._loaders = None


#: What a resolver is told.
Info: TypeAlias = "GraphQLResolveInfo[Context]"


def _read_the_outcome(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
