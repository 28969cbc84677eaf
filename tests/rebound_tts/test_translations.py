"""The German: all of it is there, in the product's words, nothing is stale, and what is compiled is what is written.

Needs no gettext tools: sources are read with Python's own parser and Django's reader of templates.
"""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[2]
PACKAGES = ("rebound_tts", "merchants", "matching", "returns")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
GLOSSARY = {
    "returns?": "retour|zurück|sie |rebound returns",
    "labels?": "etikett",
    "buyers?": "käufer|retourniert",
    "merchants?": "händler|die app wurde",
    "carriers?": "paketdienst|versandservice",
    "lanes?": "route",
    "platform origin": "herkunftssystem",
    "references?": "referenz",
    "item ids?": "positionsnummer",
    "order system": "bestellsystem",
    "coverage checks?": "bestellprüfung|geprüft",
    "implementation manager": "implementierungsmanager",
    "audit (log|entry)": "protokoll",
    "dry run": "probelauf",
    "match rate": "zuordnungsquote",
    "payloads?": "nutzdaten",
    "trail": "entscheidungsweg",
    "steps?": "schritt",
    "workers?": "worker",
}
VALUE = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}|</?\w[^>]*>")
NAME = re.compile(r"TikTok|ReBound|OMS|Seller Center|UTC|CSV|SKU|\b[a-z]+[A-Z]\w+\b|\b[A-Z]+_[A-Z_]+\b")
CONTEXT = "\x04"  # between a context and its text, as gettext writes it
REMEDY = "Run `make messages`, write the German into the .po files, and run it again."
TEXT = r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
IN_TEMPLATE = re.compile(rf"\b(?:_|gettext|ngettext)\(u?{TEXT}")


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
    yield from sorted((ROOT / "templates").rglob("*.html"))


def marked(path: Path) -> set[str]:
    """The texts that a file marks for translation."""
    if path.suffix == ".html":
        found = IN_TEMPLATE.findall(templatize(path.read_text(), origin=str(path)))
        return {ast.literal_eval(text) for text in found}
    texts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            told = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if name in MARKS and told:
                texts.add(told[0])
            elif name == "pgettext_lazy":
                texts.add(CONTEXT.join(told))
    return texts


class Entry(NamedTuple):
    """A text and its translation, each with a second form where the text counts something."""

    english: list[str]
    german: list[str]


def entries(catalog: Path) -> dict[str, Entry]:
    """What a .po file says, by the text."""
    found = {}
    for block in catalog.read_text().split("\n\n")[1:]:
        values: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            key, _, rest = line.partition(" ")
            if line.startswith('"'):
                values[name] += ast.literal_eval(line)
            elif not line.startswith("#"):
                name = key
                values[name] = ast.literal_eval(rest)
        if values:
            english = [text for key, text in values.items() if key.startswith("msgid")]
            text = CONTEXT.join(filter(None, (values.pop("msgctxt", ""), values["msgid"])))
            found[text] = Entry(english, [text for key, text in values.items() if key.startswith("msgstr")])
    return found


def catalogs() -> list[Path]:
    return sorted(ROOT.glob("*/locale/de/LC_MESSAGES/django.po"))


def all_entries() -> dict[str, Entry]:
    return {text: entry for catalog in catalogs() for text, entry in entries(catalog).items()}


each_catalog = pytest.mark.parametrize("catalog", catalogs(), ids=lambda path: path.parts[-5])


@each_catalog
def test_a_catalog_is_complete(catalog: Path) -> None:
    assert [text for text, entry in entries(catalog).items() if not all(entry.german)] == [], REMEDY


def test_everything_that_is_marked_is_in_a_catalog_and_nothing_else() -> None:
    assert {text for path in sources() for text in marked(path)} ^ set(all_entries()) == set(), REMEDY


@each_catalog
def test_what_is_compiled_is_what_is_written(catalog: Path) -> None:
    assert "#, fuzzy" not in catalog.read_text(), REMEDY
    with catalog.with_suffix(".mo").open("rb") as file:
        compiled: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    written = {}
    for text, entry in entries(catalog).items():
        for number, translation in enumerate(entry.german):
            written[(text, number) if len(entry.german) > 1 else text] = translation
    assert {key: text for key, text in compiled.items() if key} == written, REMEDY


@each_catalog
def test_translations_carry_the_same_values(catalog: Path) -> None:
    """The form for one may say "a" where the other gives the number, as it may in English."""
    wrong = []
    for text, entry in entries(catalog).items():
        english = [sorted(VALUE.findall(form)) for form in entry.english]
        german = [sorted(VALUE.findall(form)) for form in entry.german]
        if german[-1] != english[-1] or german[0] not in english:
            wrong.append(text)
    assert wrong == []


def test_a_text_of_several_catalogs_reads_the_same_in_each() -> None:
    """Django takes that of the app that stands first: a second translation would never be seen."""
    known = all_entries()
    differing = [text for each in catalogs() for text, entry in entries(each).items() if entry != known[text]]
    assert differing == []


def test_a_word_of_the_product_is_the_same_on_every_page() -> None:
    wrong = [
        f"{english}: {text}"
        for text, entry in all_entries().items()
        for english, german in GLOSSARY.items()
        if re.search(rf"\b{english}\b", VALUE.sub("", text), re.IGNORECASE)
        and not all(re.search(german, form, re.IGNORECASE) for form in entry.german)
    ]
    assert wrong == []


def test_names_of_systems_fields_and_codes_stay_as_they_are() -> None:
    wrong = [
        f"{name}: {text}"
        for text, entry in all_entries().items()
        for name in NAME.findall(VALUE.sub("", text))
        if not all(name in form for form in entry.german)
    ]
    assert wrong == []
