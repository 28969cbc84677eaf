"""The catalogs: what merchants read is translated whole, nothing is stale, and what is compiled is what is written.

Needs no gettext tools: sources are read with Python's own parser and Django's reader of templates.
"""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[2]
PACKAGES = ("rebound_tts", "merchants", "matching", "returns")
FOR_MERCHANTS = (
    "merchants/wizard/",
    "merchants/models",
    "templates/wizard/",
    "templates/404",
    "templates/coverage/",
    "matching/coverage/",
    "templates/returns/test_",
)
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
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
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in MARKS and isinstance(node.args[0].value, str):
                texts.add(node.args[0].value)
    return texts


def is_for_merchants(path: Path) -> bool:
    """Not the pages of staff, which are English. Of the upper layers it is what builds pages of the wizard."""
    where = path.relative_to(ROOT).as_posix()
    if "admin" in where:
        return False
    return where.startswith(FOR_MERCHANTS) or "from merchants.wizard" in path.read_text()


def entries(catalog: Path) -> dict[str, list[str]]:
    """What a .po file says: each text with its translations, one for each number."""
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
            found[values["msgid"]] = [text for key, text in values.items() if key.startswith("msgstr")]
    return found


def catalogs() -> list[Path]:
    return sorted(ROOT.glob("*/locale/de/LC_MESSAGES/django.po"))


def all_entries() -> dict[str, list[str]]:
    """A text that staff read too stands untranslated in another app's catalog; Django reads the one that has it."""
    found: dict[str, list[str]] = {}
    for catalog in catalogs():
        for text, said in entries(catalog).items():
            if any(said) or text not in found:
                found[text] = said
    return found


def test_everything_that_merchants_read_is_translated() -> None:
    wanted = {text: path for path in sources() if is_for_merchants(path) for text in marked(path)}
    known = all_entries()
    missing = [f"{wanted[text].name}: {text}" for text in wanted if not all(known.get(text, [""]))]
    assert missing == [], REMEDY


def test_no_entry_is_stale() -> None:
    texts = {text for path in sources() for text in marked(path)}
    translated = {text for text, said in all_entries().items() if any(said)}
    assert sorted(translated - texts) == [], REMEDY


@pytest.mark.parametrize("catalog", catalogs(), ids=lambda path: path.parts[-5])
def test_what_is_compiled_is_what_is_written(catalog: Path) -> None:
    assert "#, fuzzy" not in catalog.read_text(), REMEDY
    with catalog.with_suffix(".mo").open("rb") as file:
        compiled: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    written = {}
    for text, said in entries(catalog).items():
        for number, translation in enumerate(said):
            if translation:
                written[(text, number) if len(said) > 1 else text] = translation
    assert {key: text for key, text in compiled.items() if key} == written, REMEDY


def test_translations_carry_the_same_values() -> None:
    values = re.compile(r"%\(\w+\)s|\{\w+\}")
    wrong = [
        text
        for text, said in all_entries().items()
        for translation in said
        if len(said) == 1 and set(values.findall(translation)) - set(values.findall(text))
    ]
    assert wrong == []
