"""What a measurement has to say, as tables that read well on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of text under ``columns``; the first column is words, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """The table in Markdown, padded so that it lines up as plain text."""
        lines = [tuple(self.columns), *map(tuple, self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]

        def row(cells: Sequence[str]) -> str:
            padded = [
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            return "| " + " | ".join(padded) + " |"

        rule = [
            ":" + "-" * (w - 1) if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)
        ]
        body = "\n".join([row(lines[0]), row(rule), *map(row, lines[1:])])
        return "\n\n".join(part for part in (f"**{self.title}**", body, self.note) if part)


@dataclass(frozen=True)
class Aim:
    """An aim beside what was measured; ``why`` explains a miss from figures of the same run."""

    what: str
    aim: str
    got: str
    met: bool
    why: str = ""


@dataclass(frozen=True)
class Section:
    """One group of measurements."""

    title: str
    text: str
    tables: Sequence[Table]
    aims: Sequence[Aim] = field(default=())

    def markdown(self) -> str:
        """The section under its heading."""
        return "\n\n".join([f"## {self.title}", self.text, *(t.text() for t in self.tables)])


def aims_table(aims: Sequence[Aim]) -> str:
    """All aims beside their results, and the misses explained."""
    rows = [(a.what, a.aim, a.got, "met" if a.met else "MISSED") for a in aims]
    parts = [Table("Aims", ("what", "aim", "measured", ""), rows).text()]
    parts += [f"Missed: {a.what}. {a.why}".strip() for a in aims if not a.met]
    return "\n\n".join(parts)
