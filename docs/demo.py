"""Runs every tool on real photographs, by both paths where the real one is possible.

Writes a contact sheet (before | after | label) as one PNG and one self-contained HTML page.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from demo_samples import Sample, of_photo, samples
from PIL import Image, ImageDraw, ImageFont

from shared_core import imagefile
from shared_core.bridge import __version__, receipt, wire
from shared_core.bridge.client import Client, Silent
from shared_core.bridge.errors import RealPathImpossible
from shared_core.bridge.host import Order, apply_tool, run_here
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import Returns
from shared_core.bridge.toolbox import tool as tool_of
from shared_core.bridge.words import words
from shared_core.cli.host import FileHost

SIDE = 340
LABEL = 270
GAP = 12
SQUARE = 10


@dataclass(frozen=True)
class Row:
    """One line of the sheet: what went in, what came out, and the label."""

    sample: Sample
    after: Path
    made: receipt.Receipt

    @property
    def title(self) -> str:
        """The tool's name, as the menu has it."""
        return tool_of(self.sample.tool).title

    @property
    def label(self) -> str:
        """What the receipt says, and what went in."""
        return f"{receipt.sentence(self.made)}\n\nSource: {self.sample.what}"


def run(client: Client, sample: Sample, path: str, out: Path) -> Row | None:
    """One run through the same flow as every host; None where the path is not possible here."""
    suffix = "txt" if tool_of(sample.tool).returns is Returns.TEXT else "png"
    target = out / f"{sample.name}-{sample.tool}-{path}.{suffix}"
    host = FileHost(paths(), sample.photo, target, sample.mask, sample.strokes)
    try:
        flow = apply_tool(host, Order(sample.tool, sample.parameters, path=path))
        [made] = run_here(flow, client, Silent())
    except RealPathImpossible as error:
        print(f"  real path: {error}")
        return None
    print(f"  {target.name}: {receipt.sentence(made)}")
    return Row(sample, target, made)


def opened(path: Path) -> Image.Image:
    """A picture over a chequered ground, so that what is transparent is seen to be."""
    pixels = imagefile.read(path).pixels
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    values = np.clip(pixels / top, 0, 1)
    rows, columns = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]] // SQUARE
    ground = np.where((rows + columns) % 2, 0.8, 0.95)[..., None]
    seen = values[..., :3] * values[..., 3:] + ground * (1 - values[..., 3:])
    return Image.fromarray(np.rint(seen * 255).astype(np.uint8))


def view(picture: Image.Image, sample: Sample, scale: int = 1) -> Image.Image:
    """What is shown: the sample's detail at 100 % of the larger picture, or all of it."""
    if sample.detail is None:
        whole = picture.copy()
        whole.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return whole
    left, top = (round(place * scale) for place in sample.detail)
    side = min(SIDE, picture.width, picture.height)
    left, top = min(left, picture.width - side), min(top, picture.height - side)
    return picture.crop((left, top, left + side, top + side))


def before(row: Row) -> Image.Image:
    """The source, or an empty canvas where there is none."""
    if row.sample.photo is None:
        return Image.new("RGB", (SIDE, SIDE), "white")
    picture = opened(row.sample.photo)
    factor = int(row.sample.parameters.get("factor", 1))
    if factor > 1:
        larger = (picture.width * factor, picture.height * factor)
        picture = picture.resize(larger, Image.Resampling.NEAREST)
    return view(picture, row.sample, factor)


def after(row: Row, font: ImageFont.FreeTypeFont) -> Image.Image:
    """The result; words are set as text, a new background is seen under its subject."""
    if row.after.suffix == ".txt":
        page = Image.new("RGB", (SIDE, SIDE), "#f4f4f4")
        text = wrapped(words(row.made), font, SIDE - 2 * GAP)
        ImageDraw.Draw(page).multiline_text((GAP, GAP), text, "black", font, spacing=5)
        return page
    picture = opened(row.after)
    if row.sample.tool == "generate-background" and row.sample.photo is not None:
        subject = Image.fromarray(imagefile.read(row.sample.photo).pixels)
        picture.paste(subject, (0, 0), subject)
    return view(picture, row.sample, int(row.sample.parameters.get("factor", 1)))


def sheet(rows: list[Row]) -> Image.Image:
    """All rows below each other."""
    font, bold = ImageFont.load_default(15), ImageFont.load_default(19)
    line = SIDE + GAP
    page = Image.new("RGB", (2 * SIDE + LABEL + 4 * GAP, len(rows) * line + GAP + 34), "white")
    draw = ImageDraw.Draw(page)
    for x, text in ((GAP, "before"), (SIDE + 2 * GAP, "after"), (2 * SIDE + 3 * GAP, "label")):
        draw.text((x, 8), text, "black", bold)
    for number, row in enumerate(rows):
        top = number * line + GAP + 30
        page.paste(before(row), (GAP, top))
        page.paste(after(row, font), (SIDE + 2 * GAP, top))
        draw.text((2 * SIDE + 3 * GAP, top), row.title, "black", bold)
        text = wrapped(row.label, font, LABEL)
        draw.multiline_text((2 * SIDE + 3 * GAP, top + 30), text, "black", font, spacing=5)
    return page


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text`` broken into lines of at most ``width`` pixels, in letters that the font has."""
    lines = []
    text = text.replace("×", "x").replace("“", '"').replace("”", '"')
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def page(rows: list[Row]) -> str:
    """The sheet as one HTML page that needs nothing beside it."""
    font = ImageFont.load_default(15)

    def shown(picture: Image.Image, name: str) -> str:
        body = io.BytesIO()
        picture.save(body, "PNG")
        address = "data:image/png;base64," + base64.b64encode(body.getvalue()).decode()
        return f'<img alt="{html.escape(name)}" src="{address}">'

    lines = "".join(
        f"<tr><td>{shown(before(row), row.sample.name)}<td>{shown(after(row, font), row.title)}"
        f"<td><h2>{html.escape(row.title)}</h2>"
        + "".join(f"<p>{html.escape(part)}" for part in row.label.split("\n\n"))
        for row in rows
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>NSS contact sheet</title>'
        "<style>body{font:16px system-ui;margin:2em}td{vertical-align:top;padding:6px;"
        f"max-width:{SIDE}px}}</style><h1>NSS {__version__}: before, after, label</h1>"
        f"<table><tr><th>before<th>after<th>label{lines}</table>"
    )


def main() -> int:
    """Make the sheet and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--photo", type=Path, help="your own picture instead of the sample ones")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = of_photo(options.photo, options.out) if options.photo else samples(options.out)
    client = Client(paths(), "demo", __version__, own_python=sys.executable)
    rows = []
    for sample in chosen:
        print(f"{sample.tool} on {sample.name}")
        first = run(client, sample, "auto", options.out)
        assert first is not None, "the automatic path always gives a result"
        other = wire.REAL if first.made.path == wire.CLASSICAL else wire.CLASSICAL
        second = run(client, sample, other, options.out)
        rows += [row for row in (first, second) if row]
    client.close()
    png, web = options.out / "contact-sheet.png", options.out / "contact-sheet.html"
    sheet(rows).save(png)
    web.write_text(page(rows), "utf-8")
    print(f"Contact sheet: {png.resolve()}\n               {web.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
