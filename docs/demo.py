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

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from shared_core import imagefile
from shared_core.bridge import __version__, receipt, wire
from shared_core.bridge.client import Client, Silent
from shared_core.bridge.errors import RealPathImpossible
from shared_core.bridge.host import Order, apply_tool, run_here
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import TOOLS
from shared_core.cli_host import FileHost

CROP = 340
LABEL = 250
GAP = 12


@dataclass(frozen=True)
class Row:
    """One line of the sheet: what went in, what came out, and the label."""

    tool: str
    before: Path
    after: Path
    what: str
    made: receipt.Receipt


def degraded(tool: str, photo: np.ndarray) -> tuple[np.ndarray, str]:
    """A photograph (h×w×3 u8, BGR) with the fault that ``tool`` is for."""
    noise = np.random.default_rng(7).standard_normal(photo.shape)
    if tool == "denoise":
        noisy = photo + 20 * noise
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), "noise of 20 levels added"
    blurred = cv2.GaussianBlur(photo, (0, 0), 1.8) + 1.0 * noise
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8), "blurred by 1.8 px"


def own_photos(out: Path) -> list[tuple[str, Path, str]]:
    """Photographs from scikit-image (public domain and CC0), degraded for each tool."""
    rows = []
    for tool, names in (("denoise", ("astronaut", "chelsea")), ("deblur", ("coffee", "rocket"))):
        for name in names:
            photo = np.ascontiguousarray(getattr(data, name)()[..., ::-1])
            bad, what = degraded(tool, photo)
            path = out / f"{name}-for-{tool}.png"
            cv2.imwrite(str(path), bad)
            rows.append((tool, path, f"{name}, {what}"))
    return rows


def run(client: Client, tool: str, photo: Path, what: str, path: str, out: Path) -> Row | None:
    """One run through the same flow as every host; None where the path is not possible here."""
    target = out / f"{photo.stem}-{tool}-{path}.png"
    try:
        flow = apply_tool(FileHost(paths(), photo, target), Order(tool, path=path))
        [made] = run_here(flow, client, Silent())
    except RealPathImpossible as error:
        print(f"  real path: {error}")
        return None
    print(f"  {target.name}: {receipt.sentence(made)}")
    return Row(tool, photo, target, what, made)


def crop(path: Path) -> Image.Image:
    """The middle of a picture at 100 %, as it would be judged on screen."""
    pixels = imagefile.read(path).pixels
    if pixels.dtype != np.uint8:
        pixels = (pixels / (65535 if pixels.dtype == np.uint16 else 1) * 255).clip(0, 255)
        pixels = pixels.astype(np.uint8)
    height, width = pixels.shape[:2]
    top, left = max(0, (height - CROP) // 3), max(0, (width - CROP) // 2)
    return Image.fromarray(np.ascontiguousarray(pixels[top : top + CROP, left : left + CROP, :3]))


def sheet(rows: list[Row]) -> Image.Image:
    """All rows below each other."""
    font, bold = ImageFont.load_default(15), ImageFont.load_default(19)
    line = CROP + GAP
    page = Image.new("RGB", (2 * CROP + LABEL + 4 * GAP, len(rows) * line + GAP + 34), "white")
    draw = ImageDraw.Draw(page)
    for x, text in ((GAP, "before"), (CROP + 2 * GAP, "after"), (2 * CROP + 3 * GAP, "label")):
        draw.text((x, 8), text, "black", bold)
    for number, row in enumerate(rows):
        top = number * line + GAP + 30
        page.paste(crop(row.before), (GAP, top))
        page.paste(crop(row.after), (CROP + 2 * GAP, top))
        draw.text((2 * CROP + 3 * GAP, top), row.tool.capitalize(), "black", bold)
        text = wrapped(f"{receipt.sentence(row.made)}\n\nSource: {row.what}", font, LABEL)
        draw.multiline_text((2 * CROP + 3 * GAP, top + 30), text, "black", font, spacing=5)
    return page


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text`` broken into lines of at most ``width`` pixels."""
    lines = []
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

    def picture(path: Path) -> str:
        body = io.BytesIO()
        crop(path).save(body, "PNG")
        address = "data:image/png;base64," + base64.b64encode(body.getvalue()).decode()
        return f'<img width="{CROP}" alt="{html.escape(path.name)}" src="{address}">'

    lines = "".join(
        f"<tr><td>{picture(row.before)}<td>{picture(row.after)}<td><h2>{row.tool.capitalize()}</h2>"
        f"<p>{html.escape(receipt.sentence(row.made))}<p>Source: {html.escape(row.what)}"
        for row in rows
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>NSS contact sheet</title>'
        "<style>body{font:16px system-ui;margin:2em}td{vertical-align:top;padding:6px;"
        f"max-width:{CROP}px}}</style><h1>NSS {__version__}: before, after, label</h1>"
        f"<table><tr><th>before<th>after<th>label{lines}</table>"
    )


def main() -> int:
    """Make the sheet and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--photo", type=Path, help="your own picture instead of the sample ones")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.photo:
        jobs = [(tool.id, options.photo, "your photo, as it is") for tool in TOOLS]
    else:
        jobs = own_photos(options.out)
    client = Client(paths(), "demo", __version__, own_python=sys.executable)
    rows = []
    for tool, photo, what in jobs:
        print(f"{tool} on {photo.name}")
        first = run(client, tool, photo, what, "auto", options.out)
        assert first is not None, "the automatic path always gives a result"
        other = wire.REAL if first.made.path == wire.CLASSICAL else wire.CLASSICAL
        second = run(client, tool, photo, what, other, options.out)
        rows += [row for row in (first, second) if row]
    client.close()
    png, web = options.out / "contact-sheet.png", options.out / "contact-sheet.html"
    sheet(rows).save(png)
    web.write_text(page(rows), "utf-8")
    print(f"Contact sheet: {png.resolve()}\n               {web.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
