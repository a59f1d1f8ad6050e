"""The pages as a whole: their size, their links, their words, and their sentences."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import NAMES, PAGES, ROOT, anchors, blocks, links, prose, read, sentences, words_of

README_LINES, SENTENCE_WORDS = 150, 25
CODE = ("*_svc/**/*.py", "bff/**/*.py", "mesh/**/*.py", "ops/**/*.py", "devkit/**/*.py", "protos/**/*.proto")


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= README_LINES


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page, lost = ROOT / name, []
    for link in links(name):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (not anchor or anchor in anchors(str(target.relative_to(ROOT))))
        lost += [] if is_there else [link]
    assert lost == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link in links("README.md") if not link.startswith("http")}
    assert set(PAGES) - linked == {ROOT / "README.md"}


@pytest.mark.parametrize("name", NAMES)
def test_every_block_that_is_not_run_has_a_reason(name: str) -> None:
    marks = read(name).count("<!-- not run:")
    assert marks == sum(bool(block.not_run) for block in blocks(name))


@pytest.mark.parametrize("name", [*NAMES, "CHANGELOG.md"])
def test_no_sentence_has_to_be_read_twice(name: str) -> None:
    assert [sentence for sentence in sentences(name) if len(words_of(sentence)) > SENTENCE_WORDS] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_make_command_is_in_the_makefile(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", read("Makefile")))
    assert set(re.findall(r"(?m)(?:`|^|[A-Z0-9.-] )make ([a-z]+(?:-[a-z]+)*)", read(name))) <= targets


def heads() -> list[str]:
    """The words that the glossary explains."""
    rows = re.findall(r"(?m)^\| (\*\*.+?\*\*) \|", read("docs/glossary.md"))
    return [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]


def test_the_glossary_is_short_and_sorted_into_one_row_for_each_thing() -> None:
    assert 25 <= len(heads()) <= 40
    assert len(set(heads())) == len(heads())


@pytest.mark.parametrize("word", heads())
def test_every_word_of_the_glossary_is_used(word: str) -> None:
    pages = [prose(name) for name in NAMES if name != "docs/glossary.md"]
    code = [path.read_text(encoding="utf-8") for pattern in CODE for path in ROOT.glob(pattern)]
    used = re.compile(rf"\b{re.escape(word)}(s|es)?\b".replace(r"\ ", r"[\s_]+"), re.IGNORECASE)
    assert any(map(used.search, [*pages, *code]))
