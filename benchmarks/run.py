"""Measures what the project claims of its speed, quality and memory, and prints all of it.

``python benchmarks/run.py`` measures everything in some minutes; ``--full`` adds a layer of 12
megapixels, ``--write FILE`` keeps the tables as Markdown, ``--only NAME`` measures one part.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import machine
from report import Aim, Section, aims_table

PARTS = ("startup", "transport", "quality", "memory", "overhead")


def _measured(part: str, full: bool) -> Sequence[Section]:
    """The sections of one part, each a module of that name; the others' needs do not matter."""
    sections: Sequence[Section] = importlib.import_module(part).measure(full)
    return sections


def main() -> int:
    """Measure, print and, where asked, write; 0 when everything could be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="add 12 megapixels: takes long")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the tables as Markdown")
    options = parser.parse_args()
    began = time.monotonic()
    command = "python benchmarks/run.py " + " ".join(sys.argv[1:])
    texts: list[str] = []
    aims: list[Aim] = []

    def say(text: str) -> None:
        texts.append(text)
        print(text, end="\n\n", flush=True)

    say("# Benchmarks")
    say(
        f"Measured by `{command.strip()}` on {time.strftime('%Y-%m-%d')}, on a machine with "
        f"{machine.described()}. The machine runs other things too, so ratios are taken between "
        "runs in turns, and every part tells the load it met."
    )
    head = len(texts)
    for part in options.only or PARTS:
        start, before = time.monotonic(), machine.load()
        for section in _measured(part, options.full):
            say(section.markdown())
            aims += section.aims
        took = time.monotonic() - start
        say(f"({part}: {took:.0f} s; before: {before}; after: {machine.load()})")
    summary = aims_table(aims) if aims else ""
    print(summary, end="\n\n")
    print(f"All of it took {time.monotonic() - began:.0f} s.")
    if options.write:
        texts.insert(head, summary)
        options.write.write_text("\n\n".join(text for text in texts if text) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
