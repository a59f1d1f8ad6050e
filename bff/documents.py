"""Documents, read once: parsed, measured, validated, and remembered by their text."""

from __future__ import annotations

from collections import OrderedDict

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, specified_rules, validate
from graphql.validation import NoSchemaIntrospectionCustomRule, recommended_rules

from bff.limits import Prices, measure

MAX_TOKENS, MAX_COMMENTS, MAX_ERRORS = 2000, 200, 5
REMEMBERED, REMEMBERED_LENGTH = 512, 10_000
_RULES = (*recommended_rules, *specified_rules)


class Documents:
    """The valid documents that clients send again and again. Only short ones are remembered, the latest 512 of them."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = True) -> None:
        self._schema = schema
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._hide_suggestions = not introspection  # "did you mean" tells the schema name by name
        self._prices = Prices.of(schema)
        self._known: OrderedDict[str, DocumentNode] = OrderedDict()

    def read(self, text: str) -> DocumentNode | list[GraphQLError]:
        """The document, or why it is refused. What is too large is refused before the costly rules see it."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        try:
            document = parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
            problems = self._problems(document)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("the query is nested too deeply")]
        return problems or self._remembered(text, document)

    def _problems(self, document: DocumentNode) -> list[GraphQLError]:
        too_much = measure(document, self._prices).problem()
        if too_much:
            return [GraphQLError(too_much)]
        return validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        )

    def _remembered(self, text: str, document: DocumentNode) -> DocumentNode:
        if len(text) <= REMEMBERED_LENGTH:
            self._known[text] = document
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return document
