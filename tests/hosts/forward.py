"""Runs the editors' tests on the roots that look ahead, and writes what passed down.

``forward.py [ROOT ...]`` takes *testing* and *krita6*, or the roots that are named, builds those
that are missing, runs all tests of Krita and of GIMP there, and fills docs/editors.md in: which
versions, when, how many tests passed, which did not, and how soon *Cancel* freed the editor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from editors import Editor, ensure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "editors.md"
AHEAD = ("testing", "krita6")
LIMIT_SECONDS = 1800
# What a test says of the time between a click on Cancel and an editor that is free.
CANCEL = "free after cancel in "


@dataclass
class Figures:
    """What came of one editor's tests."""

    name: str
    version: str
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    failed: list[str] = field(default_factory=list)
    cancels: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether tests ran and all of them passed."""
        return self.counts["passed"] > 0 and not self.failed


OUTCOMES = ("passed", "failed", "skipped")


def run(name: str, editor: Editor) -> Figures:
    """All tests of one of a root's editors."""
    figures = Figures(name, editor.versions[name.lower()])
    files = sorted(HERE.glob(f"test_{name.lower()}*.py"))
    with tempfile.TemporaryDirectory(prefix="forward-") as folder:
        report = Path(folder) / "report.xml"
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-m", "hosts", "-q", "-p", "no:cacheprovider"),
                *("--timeout", str(LIMIT_SECONDS), "--junitxml", str(report)),
                *("--basetemp", f"{folder}/tests"),
                *map(str, files),
            ],
            cwd=ROOT,
            env={**os.environ, f"NSS_TEST_{name.upper()}": editor.name},
            check=False,
        )
        figures.seconds = time.monotonic() - began
        for case in ElementTree.parse(report).iter("testcase"):
            note(figures, case)
    return figures


def note(figures: Figures, case: ElementTree.Element) -> None:
    """Count one test, and keep what it measured."""
    outcome = "passed"
    for child in case:
        outcome = {"failure": "failed", "error": "failed"}.get(child.tag, outcome)
        if child.tag == "skipped":
            outcome = "skipped"
    figures.counts[outcome] += 1
    if outcome == "failed":
        figures.failed.append(f"{case.get('classname', '').split('.')[-1]}::{case.get('name')}")
    for one in case.iter("property"):
        if (said := one.get("name", "")).startswith(CANCEL):
            figures.cancels[said.removeprefix(CANCEL)] = float(one.get("value", "nan"))


def section(figures: Figures, editor: Editor) -> str:
    """The figures in Markdown."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in figures.counts.items() if count)
    qt = f", Qt {6 if figures.version.startswith('6') else 5}" if figures.name == "Krita" else ""
    lines = [
        f"## {figures.name} {figures.version}",
        f"Test root `{editor.name}`{qt}, Python {editor.versions['python3']}, on "
        f"{date.today().isoformat()}: **{counts or 'nothing ran'}**, in {figures.seconds:.0f} s.",
    ]
    if figures.failed:
        lines.append("\n".join(f"- failed: `{test}`" for test in figures.failed))
    if figures.cancels:
        heads = " | ".join(figures.cancels)
        rule = "|".join([":--", *["--:"] * len(figures.cancels)])
        row = " | ".join(f"{seconds:.2f} s" for seconds in figures.cancels.values())
        lines.append(f"| *Cancel* while … | {heads} |\n|{rule}|\n| free after | {row} |")
    return "\n\n".join(lines)


def filled(page: str, mark: str, text: str) -> str:
    """The page with a text between its two marks."""
    before, _, after = page.split(mark)
    return f"{before}{mark}\n\n{text}\n\n{mark}{after}"


def main() -> None:
    """Run what was asked for; the exit status says whether all of it passed."""
    bad = []
    for name in sys.argv[1:] or AHEAD:
        editor = ensure(name)
        for program in ("Krita", "GIMP"):
            if program.lower() not in editor.versions:
                continue
            print(f"{program} {editor.versions[program.lower()]} on {name}", flush=True)
            figures = run(program, editor)
            page = PAGE.read_text("utf-8")
            mark = f"<!-- {program} {name} -->"
            PAGE.write_text(filled(page, mark, section(figures, editor)), "utf-8")
            if not figures.good:
                bad.append(f"{program} on {name}")
    if bad:
        raise SystemExit(f"Not all passed: {', '.join(bad)}; see {PAGE}.")


if __name__ == "__main__":
    main()
