"""What classical colouring gives and takes: colours from a few marks, lightness kept, costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from report import Aim, Section, Table, aims_table
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from shared_core.algorithms import chroma
from shared_core.bridge import toolbox
from shared_core.pixels import Picture, Raster
from shared_core.tools import colorize
from shared_core.tools.work import Work

Samples = NDArray[Any]
NAMES = ("astronaut.png", "coffee.png", "kodim01.png", "kodim02.png", "kodim03.png", "kodim04.png")
MARKS = (50, 200, 1000)
MARK_SIDE = 5
SIZES = {1: (1152, 864), 12: (4000, 3000), 48: (8000, 6000)}
NOTHING = "grey, no colours"
NEAREST = "the nearest mark's colour"
BLURRED = "marks spread by distance"
NSS = "NSS colorize, colour strokes"
ROUNDS = 3
MOST_SECONDS = 1.5


def section(images: Path) -> str:
    """Colour errors, lightness errors, time and memory, as Markdown."""
    table, better = _quality(images)
    kept, worst = _lightness(images)
    costs, slowest = _costs(images)
    aims = [
        Aim(
            "colour strokes against the better of the two other ways",
            "a smaller colour error for every number of marks",
            ", ".join(f"{number} marks: {ratio:.2f} of it" for number, ratio in better.items()),
            max(better.values()) < 1,
        ),
        Aim("lightness kept, 16 bits", "L* within 0.002", f"{worst:.4f}", worst < 0.002),
        Aim(
            "classical colorize, time",
            f"at most {MOST_SECONDS} s/MP on two cores",
            f"{slowest:.2f} s/MP",
            slowest <= MOST_SECONDS,
        ),
    ]
    text = (
        f"Marks of {MARK_SIDE}x{MARK_SIDE} pixels at random places of the grey photograph, in the "
        "photograph's own colours there. The colour error is the mean distance in a* and b*. "
        f"Times are on {cv2.getNumThreads()} threads."
    )
    made = Section("Classical colorize", text, [table, kept, costs], aims)
    return "\n\n".join([made.markdown(), aims_table(made.aims)])


# ---------------------------------------------------------------- one run of the tool


def through_tool(rgb: Samples, marks: Samples | None, **parameters: object) -> Samples:
    """``rgb`` (8 or 16 bits) through the classical path, ``marks`` (RGBA) on the layer above."""
    height, width = rgb.shape[:2]
    top = np.iinfo(rgb.dtype).max
    rgba = np.dstack([rgb, np.full((height, width), top, rgb.dtype)])
    result = np.zeros_like(rgba)
    raster = Raster(width, height, "u8" if top == 255 else "u16")
    picture = Picture(rgba, result, raster)
    _run(
        picture,
        None if marks is None else Picture(marks, None, Raster(width, height, "u8")),
        parameters,
    )
    return np.ascontiguousarray(result[..., :3])


def _run(picture: Picture, marks: Picture | None, parameters: Any) -> None:
    if marks is not None:
        parameters = {"strokes": "above"} | parameters
    chosen = toolbox.tool("colorize").parse(parameters)
    picture.begin()
    colorize.classical(
        Work(picture, chosen, lambda done, total: None, lambda: False, strokes=marks)
    )


# ---------------------------------------------------------------- colours from a few marks


def _photograph(images: Path, name: str) -> Samples:
    read: Any = cv2.imread(str(images / name), cv2.IMREAD_COLOR_RGB)
    return np.asarray(read)


def _grey(rgb: Samples) -> Samples:
    level = np.rint(chroma.grey(rgb / np.float32(255)) * 255).astype(np.uint8)
    return np.dstack([level, level, level])


def _marks(rgb: Samples, number: int) -> Samples:
    height, width = rgb.shape[:2]
    rng = np.random.default_rng(number)
    marks = np.zeros((height, width, 4), np.uint8)
    half = MARK_SIDE // 2
    for _ in range(number):
        row, column = rng.integers(half, height - half), rng.integers(half, width - half)
        spot = slice(row - half, row + half + 1), slice(column - half, column + half + 1)
        marks[(*spot, slice(0, 3))] = rgb[row, column]
        marks[(*spot, 3)] = 255
    return marks


def _nearest(grey: Samples, marks: Samples) -> Samples:
    unmarked = (marks[..., 3] == 0).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(
        unmarked, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = chroma.chroma(marks[..., :3] / np.float32(255))
    table = np.zeros((labels.max() + 1, 2), np.float32)
    table[labels[unmarked == 0]] = colours[unmarked == 0]
    return _joined(grey, table[labels])


def _blurred(grey: Samples, marks: Samples) -> Samples:
    """Colours weighted by Gaussians of several widths, narrow ones first."""
    share = (marks[..., 3] > 0).astype(np.float32)
    weighted = chroma.chroma(marks[..., :3] / np.float32(255)) * share[..., None]
    total = np.full(share.shape, 1e-30, np.float32)
    colours = np.zeros_like(weighted)
    for number, sigma in enumerate((4, 16, 64, 256)):
        factor = np.float32(1e-3**number)
        total += factor * cv2.GaussianBlur(share, (0, 0), sigma)
        colours += factor * cv2.GaussianBlur(weighted, (0, 0), sigma)
    return _joined(grey, colours / total[..., None])


def _joined(grey: Samples, colours: Samples) -> Samples:
    luminance = chroma.luminance(grey / np.float32(255))
    made = chroma.with_chroma(luminance, np.asarray(colours, np.float32))
    return np.rint(made * 255).astype(np.uint8)


METHODS: dict[str, Callable[[Samples, Samples], Samples]] = {
    NOTHING: lambda grey, marks: grey,
    NEAREST: _nearest,
    BLURRED: _blurred,
    NSS: through_tool,
}


def _quality(images: Path) -> tuple[Table, dict[int, float]]:
    rows = []
    errors: dict[tuple[str, int], float] = {}
    for number in MARKS:
        for method, function in METHODS.items():
            scores, likeness, distances = [], [], []
            for name in NAMES:
                photo = _photograph(images, name)
                made = function(_grey(photo), _marks(photo, number))
                scores.append(cv2.PSNR(photo, made))
                likeness.append(structural_similarity(photo, made, channel_axis=2))
                away = rgb2lab(made)[..., 1:] - rgb2lab(photo)[..., 1:]
                distances.append(float(np.hypot(away[..., 0], away[..., 1]).mean()))
            errors[method, number] = statistics.mean(distances)
            rows.append(
                (
                    str(number),
                    method,
                    f"{statistics.mean(scores):.2f}",
                    f"{statistics.mean(likeness):.4f}",
                    f"{errors[method, number]:.2f}",
                )
            )
    columns = ("marks", "method", "PSNR", "SSIM", "colour error")
    table = Table(f"Against the photograph, mean of {len(NAMES)} pictures", columns, rows)
    others = {number: min(errors[NEAREST, number], errors[BLURRED, number]) for number in MARKS}
    return table, {number: errors[NSS, number] / others[number] for number in MARKS}


# ---------------------------------------------------------------- lightness


def _lightness(images: Path) -> tuple[Table, float]:
    rows, worst = [], 0.0
    palettes = toolbox.tool("colorize").parameter("palette").choices
    for depth, dtype in (("8 bits", np.uint8), ("16 bits", np.uint16)):
        top = np.iinfo(dtype).max
        for saturation in (100, 200):
            largest, means = 0.0, []
            for name in ("coffee.png", "kodim03.png"):
                floats = _photograph(images, name) / 255
                source = np.rint(floats * top).astype(dtype)
                before = rgb2lab(source / top)[..., 0]
                for palette in palettes:
                    made = through_tool(source, None, palette=palette, saturation=saturation)
                    away = np.abs(rgb2lab(made / top)[..., 0] - before)
                    largest = max(largest, float(away.max()))
                    means.append(float(away.mean()))
            if top > 255:
                worst = max(worst, largest)
            rows.append(
                (depth, f"{saturation} %", f"{statistics.mean(means):.5f}", f"{largest:.5f}")
            )
    title = f"Change of L* (0 to 100), all {len(palettes)} palettes on two photographs in colour"
    return Table(title, ("layer", "saturation", "mean", "largest"), rows), worst


# ---------------------------------------------------------------- time and memory


def _costs(images: Path) -> tuple[Table, float]:
    rows, slowest = [], 0.0
    for way in ("palette", "strokes"):
        for megapixels, size in SIZES.items():
            rounds = ROUNDS if megapixels == 1 else 1
            found = [_in_a_process(images, way, size) for _ in range(rounds)]
            seconds = statistics.median(one["seconds"] for one in found) / megapixels
            slowest = max(slowest, seconds)
            peak = max(one["peak_bytes"] for one in found) / 1e6
            rows.append((f"{way}, {megapixels} MP", f"{seconds:.2f}", f"{peak:.0f}"))
    columns = ("", "s/MP", "peak MB beside the pixel files")
    return Table("The whole tool by the size of the layer, 8 bits", columns, rows), slowest


def _in_a_process(images: Path, way: str, size: tuple[int, int]) -> dict[str, float]:
    order = json.dumps([str(images), way, *size])
    done = subprocess.run(
        [sys.executable, __file__, "--cost", order], check=True, capture_output=True, text=True
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _cost(images: str, way: str, width: int, height: int) -> dict[str, float]:
    """One run on mapped files, as the runner does it."""
    photo = cv2.resize(_photograph(Path(images), "coffee.png"), (width, height))
    with tempfile.TemporaryDirectory() as folder:
        source, result, above = (
            np.memmap(Path(folder) / name, np.uint8, "w+", shape=(height, width, 4))
            for name in ("source", "result", "above")
        )
        source[..., :3] = _grey(photo)
        source[..., 3] = 255
        above[:] = _marks(photo, 200)
        del photo
        raster = Raster(width, height, "u8")
        marks = Picture(above, None, raster) if way == "strokes" else None
        before = most = _anonymous()
        ended = threading.Event()

        def watch() -> None:
            nonlocal most
            while not ended.wait(0.005):
                most = max(most, _anonymous())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        began = time.perf_counter()
        _run(Picture(source, result, raster), marks, {})
        seconds = time.perf_counter() - began
        ended.set()
        watcher.join()
    return {"seconds": seconds, "peak_bytes": most - before}


def _anonymous() -> int:
    """Bytes of memory that are not mapped from files, as the kernel counts them now."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cost"]:
        print(json.dumps(_cost(*json.loads(sys.argv[2]))))
    else:
        folder = Path(__file__).parents[2] / "shared/images"
        print(section(Path(sys.argv[1]) if sys.argv[1:] else folder))
