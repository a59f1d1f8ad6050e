"""Where and in which language a person reads: IANA time zones and BCP 47 language tags."""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import available_timezones

from mesh.errors import BadInput

MOST_CHARACTERS = 64
#: A well-formed tag (RFC 5646, 2.1): language, script, region, variants, extensions, private use. None of the
#: grandfathered ones.
_TAG = re.compile(
    r"""(?:[a-z]{2,3}(?:-[a-z]{3}){0,3} | [a-z]{4,8})
    (?:-[a-z]{4})? (?:-(?:[a-z]{2}|[0-9]{3}))? (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*
    (?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)* (?:-x(?:-[a-z0-9]{1,8})+)?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


def timezone(value: str, field: str) -> str:
    """The name of an IANA time zone, such as Europe/Berlin; empty when none is given. Raises BadInput."""
    if value and value not in _zones():
        raise BadInput("not an IANA time zone", field=field)
    return value


def locale(value: str, field: str) -> str:
    """A BCP 47 language tag, such as de-AT; empty when none is given. Raises BadInput."""
    if value and (len(value) > MOST_CHARACTERS or not _TAG.fullmatch(value)):
        raise BadInput("not a BCP 47 language tag, such as de-AT", field=field)
    return value


@cache
def _zones() -> frozenset[str]:
    """Those that mean the same on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})
