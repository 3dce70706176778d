"""How true cut-outs are on composites whose matte and foreground are known; time and memory."""

from __future__ import annotations

import statistics
import sys
from itertools import chain
from pathlib import Path

import cv2
import footprint
import numpy as np
from cutouts import PAIRS, SUBJECTS, Composite, Floats, composite, composites
from report import Aim, Section, Table, aims_table

from shared_core.algorithms.matting import SIDE, ForegroundColours, refinement
from shared_core.algorithms.resampling import Kernel, resized
from shared_core.bridge import toolbox
from shared_core.bridge.toolbox import Returns
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Matte
from shared_core.tools import remove_background
from shared_core.tools.work import Work

CLASSICAL_SIZE = (768, 576)
LARGE_SIZE = (2000, 1500)
BACKDROPS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0))


def section(images: Path) -> str:
    """Classical mattes, enlarged mattes, clean colours, and costs, as Markdown."""
    classical = _classical(images)
    enlarged = _enlarged(images)
    colours, ratios = _colours(images)
    costs, slowest = _costs(images)
    text = (
        f"Composites of {len(SUBJECTS)} drawn subjects (hair, leaves, a soft ball, a figure) and "
        f"{len(PAIRS)} pairs of photographs; on the last pair the background has things that stand "
        "out as much. *Edge error* is the mean difference of the matte, in thousandths, near "
        "pixels that are partly covered. What a network makes of a picture is not measured here, "
        "only what comes after it."
    )
    aims = [
        Aim(
            "edges on other backgrounds, true matte",
            "error at least 3 times smaller than the plain cut's",
            f"{statistics.mean(ratios):.1f} times, single kinds "
            + ", ".join(f"{ratio:.1f}" for ratio in ratios),
            statistics.mean(ratios) >= 3,
        ),
        Aim(
            "classical path, time",
            "at most 1.5 s per MP",
            f"{slowest:.2f} s of the processor per MP at most",
            slowest <= 1.5,
            "Other programs count into the clock, so that the processor's time is compared.",
        ),
    ]
    tables = [classical, enlarged, colours, costs]
    made = Section("Remove background", text, tables, aims)
    return f"{made.markdown()}\n\n{aims_table(aims)}"


def _band(matte: Floats) -> Floats:
    partly = ((matte > 0) & (matte < 1)).astype(np.uint8)
    return np.asarray(cv2.dilate(partly, np.ones((9, 9), np.uint8)) > 0)


def _scores(made: Floats, matte: Floats) -> tuple[float, float]:
    """Soft intersection over union, and the edge error."""
    overlap = np.minimum(made, matte).sum() / np.maximum(made, matte).sum()
    return float(overlap), float(1000 * np.abs(made - matte)[_band(matte)].mean())


def _through_tool(picture: Floats, box: tuple[int, int, int, int] | None) -> Floats:
    """The matte of the classical path, with ``box`` (left, top, width, height) selected."""
    height, width = picture.shape[:2]
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = np.rint(picture * 255)
    matte, selection = np.zeros((height, width), np.uint16), None
    if box:
        selection = np.zeros((height, width), np.uint8)
        cv2.rectangle(selection, box, 255, -1)
    work = Work(
        Picture(rgba, np.zeros_like(rgba), Raster(width, height, "u8")),
        toolbox.tool("remove-background").parse({"result": "selection"}),
        lambda done, total: None,
        lambda: False,
        outcome=Returns.SELECTION,
        selection=selection,
        matte=Matte(matte, "u16"),
    )
    remove_background.classical(work)
    return np.asarray(matte / np.float32(65535))


def _box(matte: Floats) -> tuple[int, int, int, int]:
    """What a user may draw around the subject."""
    left, top, width, height = cv2.boundingRect((matte > 0.5).astype(np.uint8))
    by = round(0.03 * max(matte.shape))
    right, bottom = min(matte.shape[1], left + width + by), min(matte.shape[0], top + height + by)
    left, top = max(0, left - by), max(0, top - by)
    return left, top, right - left, bottom - top


def _grab_cut(picture: Floats, box: tuple[int, int, int, int]) -> Floats:
    labels = np.zeros(picture.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    rgb = np.rint(picture * 255).astype(np.uint8)
    cv2.grabCut(rgb, labels, box, *models, 4, cv2.GC_INIT_WITH_RECT)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.float32)


def _classical(images: Path) -> Table:
    names = (
        "NSS, nothing selected",
        "NSS, a box around the subject selected",
        "cv2.grabCut at full size with that box",
    )
    found: dict[str, dict[str, list[tuple[float, float]]]] = {
        name: {kind: [] for kind in SUBJECTS} for name in names
    }
    for made in composites(images, *CLASSICAL_SIZE):
        kind, box = made.name.split()[0], _box(made.matte)
        mattes = (
            _through_tool(made.picture, None),
            _through_tool(made.picture, box),
            _grab_cut(made.picture, box),
        )
        for name, matte in zip(names, mattes, strict=True):
            found[name][kind].append(_scores(matte, made.matte))
    rows = [
        (name, *(_cell(scores) for scores in of.values()), _cell([*chain(*of.values())]))
        for name, of in found.items()
    ]
    return Table(
        f"Classical mattes at {CLASSICAL_SIZE[0]}×{CLASSICAL_SIZE[1]}: IoU / edge error",
        ("", *SUBJECTS, "mean"),
        rows,
    )


def _cell(scores: list[tuple[float, float]]) -> str:
    overlaps, errors = zip(*scores, strict=True)
    return f"{statistics.mean(overlaps):.2f} / {statistics.mean(errors):.0f}"


def _large(images: Path) -> list[Composite]:
    width, height = LARGE_SIZE
    return [
        composite(images, kind, PAIRS[number % 3], width, height, number)
        for number, kind in enumerate(SUBJECTS)
    ]


def _enlarged(images: Path) -> Table:
    width, height = LARGE_SIZE
    scale = SIDE / width
    size = round(height * scale), SIDE
    rows = []
    for side, blur in ((1024, 1.5), (320, 1.0)):
        for name, detail in (("enlarged linearly", 0.0), ("as the tool does", 1.0)):
            cells = []
            for made in _large(images):
                seen = resized(made.matte, (side, side), Kernel.LANCZOS)
                seen = np.clip(cv2.GaussianBlur(seen, (0, 0), blur), 0, 1)
                small = np.clip(resized(seen, size, Kernel.LANCZOS), 0, 1)
                guide = resized(made.picture, size, Kernel.TRIANGLE)
                reach = max(2, -(-3 * SIDE // (2 * side)))
                fitted = refinement(guide, small, reach)
                cells.append(_scores(fitted.strip(made.picture, 0, height, detail), made.matte)[1])
            what = f"matte of {side}×{side}, {name}"
            rows.append((what, *(f"{cell:.0f}" for cell in cells)))
    return Table(
        f"Edge error of mattes enlarged to {width}×{height}",
        ("", *SUBJECTS),
        rows,
        "The small matte is the true one, reduced and blurred by a pixel or more.",
    )


def _edge_error(colours: Floats, matte: Floats, made: Composite) -> float:
    edge = (made.matte > 0) & (made.matte < 1) | (matte > 0) & (matte < 1)
    total = 0.0
    for backdrop in BACKDROPS:
        behind = np.array(backdrop, np.float32)
        laid = matte[..., None] * colours + (1 - matte[..., None]) * behind
        true = made.matte[..., None] * made.foreground + (1 - made.matte[..., None]) * behind
        total += float(np.abs(laid - true)[edge].mean())
    return 1000 * total / len(BACKDROPS)


def _colours(images: Path) -> tuple[Table, list[float]]:
    rows, ratios = [], []
    pictures = _large(images)
    for what, wrong in (("true matte", False), ("slightly wrong matte", True)):
        plain, clean = [], []
        for made in pictures:
            matte = made.matte
            if wrong:
                soft = cv2.GaussianBlur(matte, (0, 0), 0.7)
                matte = np.clip(1.06 * soft - 0.03, 0, 1).astype(np.float32)
            colours = ForegroundColours(*matte.shape)
            colours.add(made.picture, matte, 0)
            plain.append(_edge_error(made.picture, matte, made))
            clean.append(_edge_error(colours.strip(made.picture, matte, 0), matte, made))
        rows.append((f"{what}, plain cut", *(f"{error:.1f}" for error in plain)))
        rows.append((f"{what}, colours cleaned", *(f"{error:.1f}" for error in clean)))
        if not wrong:
            ratios = [a / b for a, b in zip(plain, clean, strict=True)]
    return Table(
        "Laid on black, white and green: mean error of partly covered pixels, in thousandths",
        ("", *SUBJECTS),
        rows,
        "With a wrong matte most of the error is the matte's, which no colour can mend.",
    ), ratios


def _costs(images: Path) -> tuple[Table, float]:
    rows, slowest = [], 0.0
    for megapixels in (1, 12, 48):
        found = footprint.measure(images, "remove-background", {"result": "cut"}, megapixels)
        slowest = max(slowest, found.cpu_seconds / megapixels)
        rows.append(
            (
                f"{megapixels} MP",
                f"{found.seconds / megapixels:.2f}",
                f"{found.cpu_seconds / megapixels:.2f}",
                f"{found.peak_bytes / 1e6:.0f}",
            )
        )
    return Table(
        "The classical path by the size of the layer",
        ("", "s per MP", "processor s per MP", "peak MB beside the pixel files"),
        rows,
    ), slowest


if __name__ == "__main__":
    print(
        section(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared/images")
    )
