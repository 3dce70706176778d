"""Measures what the project claims of its speed, quality and memory, and prints all of it.

``python benchmarks/run.py`` measures everything; ``--full`` takes 12 megapixels instead of 4 for
the overhead, ``--only PART`` measures one part, ``--write FILE`` keeps the tables as Markdown,
where parts that were not measured this time stay as they are.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import machine
from pictures import IMAGES
from report import Section, aims_table

# What is measured of the whole, and of single tools on the photographs.
WHOLE = (
    *("startup", "transport", "quality", "memory", "overhead", "prediction"),
    *("sessions", "instant", "scaling", "growth", "transfer", "functions"),
)
TOOLS = (
    "remove_background",
    "remove_object",
    "upscale",
    "restore_faces",
    "colorize",
    "generate",
    "tags",
    "compact",
)
# These start real editors, which not every machine can: only where they are asked for.
EDITORS = ("editor_start",)
# These install another program first, in an environment that is thrown away.
PEERS = ("cutout_peers",)
PARTS = (*WHOLE, *TOOLS, *PEERS, *EDITORS)
HEAD = (
    "# Benchmarks\n\nMade by `python benchmarks/run.py` (`make bench`); every part says by which "
    "command, when, on what machine and under which load it was measured. Ratios are taken "
    "between runs in turns, since other programs share the machine."
)


def _measured(part: str, full: bool) -> str:
    """One part, measured by the module of that name, with its aims, as Markdown."""
    start, before = time.monotonic(), machine.load()
    module = importlib.import_module(part)
    if part in TOOLS:
        if not IMAGES.is_dir():
            return f"## {part}\n\nNot measured: {IMAGES.name}/ with the photographs is not here."
        texts = [module.section(IMAGES)]
    else:
        sections: Sequence[Section] = module.measure(full)
        texts = [section.markdown() for section in sections]
        aims = [aim for section in sections for aim in section.aims]
        texts += [aims_table(aims)] if aims else []
    command = " ".join(["python benchmarks/run.py", *(["--full"] if full else [])])
    texts.append(
        f"Measured on {time.strftime('%Y-%m-%d')} by `{command} --only {part}` or a run of all "
        f"parts, in {time.monotonic() - start:.0f} s, on a machine with {machine.described()}. "
        f"Before: {before}; after: {machine.load()}."
    )
    return "\n\n".join(texts)


def _kept(file: Path) -> dict[str, str]:
    """The parts that an earlier run has written."""
    if not file.exists():
        return {}
    pieces = re.split(r"^<!-- (\w+) -->$", file.read_text("utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def main() -> int:
    """Measure, print and, where asked, write; 0 when everything could be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="overhead at 12 megapixels: takes long")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the tables as Markdown")
    options = parser.parse_args()
    print(HEAD, end="\n\n")
    for part in options.only or (*WHOLE, *TOOLS, *PEERS):
        text = _measured(part, options.full)
        print(text, end="\n\n", flush=True)
        if options.write:
            parts = _kept(options.write) | {part: text}
            pieces = [f"<!-- {name} -->\n\n{parts[name]}" for name in PARTS if name in parts]
            options.write.write_text("\n\n".join([HEAD, *pieces]) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
