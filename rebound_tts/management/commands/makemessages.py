"""Django's `makemessages`, without guesses: a text that resembles another is not given that one's translation.

It writes no time of its own into a catalog, so that a run that finds nothing new changes nothing.
"""

from pathlib import Path

from django.core.management.commands import makemessages

TIME = '"POT-Creation-Date:'


class Command(makemessages.Command):
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]

    def write_po_file(self, potfile: str, locale: str) -> None:
        super().write_po_file(potfile, locale)
        catalog = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        lines = catalog.read_text().splitlines(keepends=True)
        catalog.write_text("".join(line for line in lines if not line.startswith(TIME)))
