"""GraphQL documents: parsed, measured, validated, and cached by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

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

from bff.graphql.limits import NO_VARIABLES, Prices, Variables, measure

MAX_TOKENS, MAX_COMMENTS, MAX_ERRORS = 2000, 200, 5
#: No useful number is longer. graphql-core would parse it, and repeat it in its messages.
MAX_NUMBER = 40
MAX_CACHED, MAX_CACHED_LENGTH = 512, 10_000
_NUMBERS = (TokenKind.INT, TokenKind.FLOAT)
_RULES = (*recommended_rules, *specified_rules)


class Documents:
    """Reads documents, and caches the valid ones: the 512 used last, of at most 10,000 characters each."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = True) -> None:
        self._schema = schema
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection  # "did you mean" would reveal the schema name by name
        self._prices = Prices.of(schema)
        self._cache: OrderedDict[str, DocumentNode] = OrderedDict()

    def read(self, text: str, variables: Variables = NO_VARIABLES) -> DocumentNode | list[GraphQLError]:
        """The document, or why it is refused. One that is too large is refused before the costly validation rules."""
        cached = self._cache.get(text)
        if cached is not None:
            self._cache.move_to_end(text)
            return cached
        try:
            document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
            problems = self._find_problems(document, variables)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("the query is nested too deeply")]
        return problems or self._add_to_cache(text, document)

    def _find_problems(self, document: DocumentNode, variables: Variables) -> list[GraphQLError]:
        problem = _long_number(document) or measure(document, self._prices, variables).problem()
        if problem:
            return [GraphQLError(problem)]
        return validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )

    def _add_to_cache(self, text: str, document: DocumentNode) -> DocumentNode:
        # Variables may make it too large: only a document that is small with any variables can skip the measuring.
        if len(text) <= MAX_CACHED_LENGTH and not measure(document, self._prices).problem():
            self._cache[text] = document
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return document


def _long_number(document: DocumentNode) -> str:
    """The problem of a number that is too long; empty when there is none."""
    long = any(len(token.value or "") > MAX_NUMBER for token in _tokens(document) if token.kind in _NUMBERS)
    return f"a number has more than {MAX_NUMBER} characters" if long else ""


def _tokens(document: DocumentNode) -> Iterator[Token]:
    token = document.loc.start_token if document.loc else None
    while token is not None:
        yield token
        token = token.next
