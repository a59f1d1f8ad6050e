"""What a token says, who signed it, and what is no token."""

from __future__ import annotations

import base64
from itertools import product
from uuid import UUID, uuid4

import pytest

from mesh.logs import redact
from payment_svc.links.tokens import Link, LinkPerson, Purpose, Tokens

OLD, NEW, OTHER = "old" * 12, "new" * 12, "other" * 8
LINK = Link(Purpose.MANAGE, LinkPerson.TUTOR, UUID(int=7), 1_800_000_000)
BYTES = 53


def flip(token: str, bit: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix("lk_") + "="))
    raw[bit // 8] ^= 1 << bit % 8
    return "lk_" + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("purpose", "person"),
    [(Purpose.CHECKOUT, LinkPerson.STUDENT), (Purpose.MANAGE, LinkPerson.STUDENT), (Purpose.MANAGE, LinkPerson.TUTOR)],
)
def test_a_token_says_what_was_signed(purpose: Purpose, person: LinkPerson) -> None:
    link = Link(purpose, person, uuid4(), 1_800_000_000)
    assert Tokens([NEW]).read(Tokens([NEW]).sign(link)) == link


def test_equal_links_have_equal_tokens_and_other_links_have_others() -> None:
    tokens = Tokens([NEW])
    others = [
        Link(purpose, person, sold, ends)
        for (purpose, person), sold, ends in product(
            [(Purpose.CHECKOUT, LinkPerson.STUDENT), (Purpose.MANAGE, LinkPerson.STUDENT), (LINK.purpose, LINK.person)],
            [LINK.sold_id, UUID(int=8)],
            [LINK.expires_at, LINK.expires_at + 1],
        )
    ]
    assert len({tokens.sign(other) for other in others}) == len(others) == 12
    assert tokens.sign(LINK) == Tokens([NEW, OLD]).sign(LINK)


def test_while_a_secret_is_replaced_both_are_believed_and_the_new_one_signs() -> None:
    before, during, after = Tokens([OLD]), Tokens([NEW, OLD]), Tokens([NEW])
    assert during.read(before.sign(LINK)) == LINK
    assert during.sign(LINK) == after.sign(LINK)
    assert after.read(before.sign(LINK)) is None
    assert Tokens([OTHER]).read(after.sign(LINK)) is None


@pytest.mark.parametrize("bit", range(0, BYTES * 8, 5))
def test_no_bit_of_a_token_can_be_changed(bit: int) -> None:
    tokens = Tokens([NEW])
    assert tokens.read(flip(tokens.sign(LINK), bit)) is None


TOKEN = Tokens([NEW]).sign(LINK)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("place", [3, 40, len(TOKEN) - 1])
def test_no_letter_of_a_token_can_be_changed(place: int) -> None:
    """The last letter has bits that are no part of the token."""
    believed = [one for one in LETTERS if Tokens([NEW]).read(TOKEN[:place] + one + TOKEN[place + 1 :])]
    assert believed == [TOKEN[place]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lk_",
        TOKEN.removeprefix("lk_"),
        TOKEN[:-1],
        f"{TOKEN}A",
        f"{TOKEN}\n",
        f" {TOKEN}",
        TOKEN.replace("lk_", "LK_"),
        f"{TOKEN[:10]}ä{TOKEN[11:]}",
        f"{TOKEN[:10]}={TOKEN[11:]}",
        f"{TOKEN[:10]}\x00{TOKEN[11:]}",
        "lk_" + "A" * 71,
        "lk_" + "-" * 71,
        "\ud800",
        "lk_" * 100_000,
    ],
)
def test_other_texts_are_no_tokens(text: str) -> None:
    assert Tokens([NEW]).read(text) is None


def test_a_mesh_without_a_secret_believes_nothing() -> None:
    assert Tokens([]).read(TOKEN) is None


def test_a_token_is_short_and_can_stand_in_a_url_and_in_no_log() -> None:
    assert len(TOKEN) == 74
    assert TOKEN.isascii()
    assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    for line in (
        f"GET /manage/{TOKEN} 200",
        TOKEN,
        f'{{"url": "https://a.example/checkout/{TOKEN}?x=1"}}',
        f"x{TOKEN}",
    ):
        assert TOKEN[3:20] not in redact(line)


def test_an_end_after_the_year_2106_is_the_end_of_that_time() -> None:
    far = Link(LINK.purpose, LINK.person, LINK.sold_id, 2**40)
    read = Tokens([NEW]).read(Tokens([NEW]).sign(far))
    assert read is not None
    assert read.expires_at == 2**32 - 1
