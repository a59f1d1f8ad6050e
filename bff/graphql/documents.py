"""Documents, read once: parsed, measured, validated, and remembered by their text."""

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

from bff.graphql.limits import NONE_GIVEN, Prices, Variables, measure

MAX_TOKENS, MAX_COMMENTS, MAX_ERRORS = 2000, 200, 5
#: No number that is meant has more characters; graphql-core would read it, and repeat it in its messages.
MAX_NUMBER = 40
REMEMBERED, REMEMBERED_LENGTH = 512, 10_000
_NUMBERS = (TokenKind.INT, TokenKind.FLOAT)
_RULES = (*recommended_rules, *specified_rules)


class Documents:
    """The valid documents that clients send again and again. Only short ones are remembered, the latest 512 of them."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = True) -> None:
        self._schema = schema
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection  # "did you mean" tells the schema name by name
        self._prices = Prices.of(schema)
        self._known: OrderedDict[str, DocumentNode] = OrderedDict()

    def read(self, text: str, variables: Variables = NONE_GIVEN) -> DocumentNode | list[GraphQLError]:
        """The document, or why it is refused. What is too large is refused before the costly rules see it."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        try:
            document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
            problems = self._problems(document, variables)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("the query is nested too deeply")]
        return problems or self._remembered(text, document)

    def _problems(self, document: DocumentNode, variables: Variables) -> list[GraphQLError]:
        too_much = _long_number(document) or measure(document, self._prices, variables).problem()
        if too_much:
            return [GraphQLError(too_much)]
        return validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )

    def _remembered(self, text: str, document: DocumentNode) -> DocumentNode:
        if len(text) <= REMEMBERED_LENGTH and not measure(document, self._prices).problem():  # whatever is given for it
            self._known[text] = document
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return document


def _long_number(document: DocumentNode) -> str:
    """What is wrong with a number that is too long to be one; empty when none is."""
    long = any(len(token.value or "") > MAX_NUMBER for token in _tokens(document) if token.kind in _NUMBERS)
    return f"a number has more than {MAX_NUMBER} characters" if long else ""


def _tokens(document: DocumentNode) -> Iterator[Token]:
    token = document.loc.start_token if document.loc else None
    while token is not None:
        yield token
        token = token.next
