"""GET /shop: the shop of a developer's mesh, which is also the example for an app. Its scripts are in `static/shop/`."""

from __future__ import annotations

from graphql import parse, print_ast, separate_operations
from starlette.requests import Request
from starlette.responses import Response

from bff.pages import static
from bff.pages.languages import reader_of
from bff.pages.render import page

#: Each operation of the shop by its name, with the fragments that it uses.
OPERATIONS = {
    name: print_ast(document)
    for name, document in separate_operations(parse(static.FILES["shop/operations.gql"].content.decode())).items()
}
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


async def serve_shop(request: Request) -> Response:
    """The page, without anybody's data: its scripts ask the public API for it."""
    reader = reader_of(request)
    names = reader.locale.days["stand-alone"]["wide"]  # 0 is Monday
    weekdays = [(day, names[index]) for index, day in enumerate(WEEKDAYS)]
    return page(request, "shop.html", reader=reader, weekdays=weekdays, operations=OPERATIONS)
