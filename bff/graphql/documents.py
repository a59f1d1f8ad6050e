"""GraphQL documents: parsed, measured, validated, and cached by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Token,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import NoSchemaIntrospectionCustomRule, recommended_rules

from bff.graphql.limits import Size, units_to_parse
from bff.graphql.meter import measure
from bff.graphql.prices import NO_VARIABLES, Prices, Variables

MAX_TOKENS, MAX_COMMENTS, MAX_ERRORS = 2000, 200, 5
#: No useful number is longer. graphql-core would parse it, and repeat it in its messages.
MAX_NUMBER = 40
#: The fewest characters that a token of a document takes on average, its space included.
SHORT_TOKEN = 2
MAX_CACHED, MAX_CACHED_LENGTH = 512, 10_000
_NUMBERS = (TokenKind.INT, TokenKind.FLOAT)
_RULES = (*recommended_rules, *specified_rules)


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a document: the document, or why it is refused; and what it is charged (units of the rate)."""

    document: DocumentNode | None
    problems: list[GraphQLError]
    units: int
    size: Size


class Documents:
    """Reads documents, and caches the valid ones: the 512 used last, of at most 10,000 characters each."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = True) -> None:
        self._schema = schema
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection  # "did you mean" would reveal the schema name by name
        self._prices = Prices.of(schema)
        self._cache: OrderedDict[str, DocumentNode] = OrderedDict()

    def read(self, text: str, variables: Variables = NO_VARIABLES) -> Reading:
        """Parses, measures and validates a document. One that is too large is refused before any validation rule runs.

        It is measured each time, because variables decide how long its lists are.
        """
        try:
            return self._read(text, variables)
        except GraphQLError as error:
            problem = error
        except RecursionError:
            problem = GraphQLError("the query is nested too deeply")
        # How much of it was parsed is unknown: it is charged as if all of it were short tokens.
        tokens = min(len(text) // SHORT_TOKEN, MAX_TOKENS)
        return Reading(None, [problem], 1 + units_to_parse(tokens, len(text)), Size())

    def _read(self, text: str, variables: Variables) -> Reading:
        known = self._cache.get(text)
        if known:
            self._cache.move_to_end(text)
            size = measure(known, self._prices, variables)
            return _reading(known, _problems(size.problem()), size, 0)
        document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
        tokens = list(_tokens(document))
        units, size = units_to_parse(len(tokens), len(text)), measure(document, self._prices, variables)
        problem = _long_number(tokens) or size.problem()
        if problem:
            return _reading(document, _problems(problem), size, units)
        problems = self._validate(document)
        if not problems:
            self._add_to_cache(text, document)
        return _reading(document, problems, size, units + size.units_to_validate())

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        return validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )

    def _add_to_cache(self, text: str, document: DocumentNode) -> None:
        if len(text) <= MAX_CACHED_LENGTH:
            self._cache[text] = document
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)


def _reading(document: DocumentNode, problems: list[GraphQLError], size: Size, units: int) -> Reading:
    if problems:
        return Reading(None, problems, 1 + units, size)
    return Reading(document, [], size.units_to_run() + units, size)


def _problems(problem: str) -> list[GraphQLError]:
    return [GraphQLError(problem)] if problem else []


def _long_number(tokens: Iterable[Token]) -> str:
    """The problem of a number that is too long; empty when there is none."""
    long = any(len(token.value or "") > MAX_NUMBER for token in tokens if token.kind in _NUMBERS)
    return f"a number has more than {MAX_NUMBER} characters" if long else ""


def _tokens(document: DocumentNode) -> Iterator[Token]:
    token = document.loc.start_token if document.loc else None
    while token is not None:
        yield token
        token = token.next
