"""What the resolvers of one request share: the person, the peers, and the answers so far."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from google.protobuf.message import Message
from graphql import GraphQLResolveInfo

from bff.graphql.loaders import Answer, Loaders, Read, call_peer
from bff.http.authentication import Caller
from bff.peers import Peers
from bff.settings import Options
from mesh.calls import Person
from mesh.errors import Forbidden, Unauthenticated

DEFAULT = Options()


class Context:
    """One GraphQL request. Nothing reaches a peer without a person behind it, except a read that is everybody's."""

    def __init__(self, peers: Peers, caller: Caller, options: Options = DEFAULT) -> None:
        self._peers, self._caller, self._is_open = peers, caller, options.public_availability
        self._person, self.publishable_key = caller.person, options.publishable_key
        #: Raised wherever a person is needed and nobody is known. A peer's refusal of a token is another one.
        self.nobody = Unauthenticated("a token must be given")
        self._calls: dict[tuple[type[Message], bytes], asyncio.Task[Any]] = {}
        self._loaders: Loaders | None = None

    @property
    def person(self) -> Person:
        """The person who asks. Raises Unauthenticated for an anonymous request."""
        return self.require_person()

    def require_person(self) -> Person:
        """The same, where only the check matters."""
        if self._person is None:
            raise self.nobody
        return self._person

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

    def open_peers(self) -> Peers:
        """The peers, for a read that is everybody's. An anonymous request is charged for it.

        Raises Unauthenticated for an anonymous request unless PUBLIC_AVAILABILITY is set.
        """
        if not self._is_open:
            self.require_person()
        self._caller.charge_visitor()
        return self._peers

    @property
    def by_id(self) -> Loaders:
        """The loaders that read by id. Raises Unauthenticated for an anonymous request."""
        self.require_person()
        return self._load_from(self._peers)

    def open_loaders(self) -> Loaders:
        """The loaders, for reads that are everybody's: of courses, an anonymous request gets those that are published.

        Charges, and raises Unauthenticated, as `open_peers` does.
        """
        return self._load_from(self.open_peers())

    def _load_from(self, peers: Peers) -> Loaders:
        if self._loaders is None:
            self._loaders = Loaders(peers)
        return self._loaders

    async def call_once(self, rpc: Read[Answer], request: Message) -> Answer:
        """The answer to a read. The same request again, while this GraphQL request lasts, gets the same answer."""
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
