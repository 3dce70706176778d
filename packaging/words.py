"""Brings the catalogues of texts up to date with the sources: `python packaging/words.py`.

It takes every text marked with `_` or `ngettext` and the notes of the model cards, adds what is
new to each `shared_core/bridge/locale/*.po` and drops what is gone, says what has to be
translated, and compiles each to the .mo that is shipped. `--add de` begins a language.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import tomllib
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("shared_core", "nss_krita", "gimp_plugin")
LOCALE = ROOT / "shared_core" / "bridge" / "locale"
_KEYWORDS = {"_": None, "ngettext": (1, 2)}
# What a card says to users in sentences; its other texts are names.
_CARD_TEXTS = ("commercial_note",)


def extracted(root: Path = ROOT) -> Catalog:
    """All texts of the sources, with the files that they stand in."""
    catalog = Catalog(fuzzy=False)
    for source in SOURCES:
        found = extract_from_dir(
            root / source, method_map=[("**.py", "python")], keywords=_KEYWORDS
        )
        for file, _line, message, _comments, _context in found:
            catalog.add(message, locations=[(f"{source}/{Path(file).as_posix()}", 0)])
    for file, text in _card_texts(root / "models"):
        catalog.add(text, locations=[(file.relative_to(root).as_posix(), 0)])
    return catalog


def _card_texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(folder.rglob("*.toml")):
        card = tomllib.loads(file.read_text("utf-8"))
        for name in _CARD_TEXTS:
            if card.get(name):
                yield file, card[name]


def load(path: Path) -> Catalog:
    """A language's catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def compiled(catalog: Catalog) -> bytes:
    """The .mo of a catalogue, the same bytes for the same texts."""
    body = io.BytesIO()
    write_mo(body, catalog)
    return body.getvalue()


def written(catalog: Catalog) -> bytes:
    """The .po of a catalogue, sorted by text, so that two changes seldom touch."""
    body = io.BytesIO()
    write_po(body, catalog, width=100, sort_output=True, ignore_obsolete=True, include_lineno=False)
    return body.getvalue()


def update(path: Path, sources: Catalog) -> list[str]:
    """Bring a language up to date; what has no translation."""
    catalog = load(path)
    catalog.update(sources, no_fuzzy_matching=True, update_creation_date=False)
    path.write_bytes(written(catalog))
    path.with_suffix(".mo").write_bytes(compiled(catalog))
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalog
        if message.id and not all(_strings(message.string or ""))
    ]


def _strings(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else string


def main() -> None:
    parser = argparse.ArgumentParser(prog="words.py", description=__doc__)
    parser.add_argument("--add", metavar="LANGUAGE", help="begin a catalogue, such as fr")
    added = parser.parse_args().add
    if added:
        LOCALE.mkdir(exist_ok=True)
        (LOCALE / f"{added}.po").write_bytes(written(Catalog(locale=added, fuzzy=False)))
    sources = extracted()
    missing = 0
    for path in sorted(LOCALE.glob("*.po")):
        for text in update(path, sources):
            missing += 1
            print(f"{path.name}: not translated: {text}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
