"""Faces: what the detector finds in large collages, and what the classical path gives and takes."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import footprint
import numpy as np
from numpy.typing import NDArray
from report import Aim, Section, Table, aims_table
from skimage.metrics import structural_similarity

from shared_core.bridge import toolbox
from shared_core.catalog import cards
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster
from shared_core.tools import restore_faces
from shared_core.tools.faces import find_faces
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.collage import Known, collage
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.restore_faces import GFPGAN, TWINS

Bytes = NDArray[np.uint8]
DETECTOR = restore_faces.DETECTOR
PORTRAITS = (
    "astronaut.png",
    "kodim04.png",
    "official_portrait.jpg",
    "lange_migrant_mother_1936.jpg",
)
SEEDS = (1, 2, 3)
SIDE = 4000


def section(images: Path) -> str:
    """The tables in Markdown; without YuNet's weights beside the pictures only some of them."""
    tables, aims = [], []
    weights = images.parent / "weights"
    if (weights / cards.load()[DETECTOR].main_file.path).is_file():
        found, aim = _collages(images, weights)
        tables += [found, _quality(images, weights), _costs(images, weights)]
        aims.append(aim)
    tables.append(_everywhere(images))
    text = (
        "The models themselves cannot be measured here. Pasting is timed with a model of the same "
        "tensors that costs nearly nothing."
    )
    parts = [Section("Restore faces", text, tables, aims).markdown()]
    return "\n\n".join([*parts, aims_table(aims)] if aims else parts)


def _model(model: str, folder: Path) -> Model:
    card = cards.load()[model]
    sessions = Sessions(("",), lambda role: open_session(folder / card.main_file.path))
    return Model(card, sessions, folder)


def _picture(rgb: Bytes) -> tuple[Picture, Bytes]:
    height, width = rgb.shape[:2]
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, Raster(width, height, "u8"))
    picture.begin()
    return picture, result


def _work(rgb: Bytes, weights: Path) -> tuple[Work, Bytes]:
    picture, result = _picture(rgb)
    parameters = toolbox.tool("restore-faces").parse({})
    helpers = {DETECTOR: _model(DETECTOR, weights)}
    work = Work(picture, parameters, lambda done, total: None, lambda: False, helpers=helpers)
    return work, result


# ---------------------------------------------------------------- the detector


def _collages(images: Path, weights: Path) -> tuple[Table, Aim]:
    rows, right = [], True
    session = _model(DETECTOR, weights).session
    file = weights / cards.load()[DETECTOR].main_file.path
    for seed in SEEDS:
        bgr, known = collage(images, file, seed, SIDE)
        picture, _ = _picture(np.ascontiguousarray(bgr[..., ::-1]))
        before, began = session.runs, time.perf_counter()
        found = find_faces(picture, session, lambda: False)
        seconds = time.perf_counter() - began
        hits = sum(any(_same(face, one) for face in found) for one in known)
        right = right and hits == len(known) == len(found)
        runs = session.runs - before
        rows.append(
            (
                f"collage {seed}, {SIDE} by {SIDE}",
                str(len(known)),
                str(hits),
                str(len(found) - hits),
                str(runs),
                f"{seconds:.1f}",
            )
        )
    columns = ("picture", "faces", "found", "found wrongly", "runs of YuNet", "seconds")
    aim = Aim(
        "faces 40 pixels wide and more in collages",
        "all, and nothing else",
        "all, and nothing else" if right else "not so: see the table",
        right,
    )
    return Table("Faces found", columns, rows), aim


def _same(face: Any, known: Known) -> bool:
    size = (known.width * known.height) ** 0.5
    x, y = face.left + face.width / 2, face.top + face.height / 2
    near = max(abs(x - known.x), abs(y - known.y)) < 0.35 * size
    return near and 0.6 < face.size / size < 1.7


# ---------------------------------------------------------------- the classical path


def _blurred(rgb: Bytes) -> Bytes:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1.2), np.uint8)


def _noisy(rgb: Bytes) -> Bytes:
    noise = np.random.default_rng(0).standard_normal(rgb.shape) * 6
    return np.clip(np.rint(_blurred(rgb) + noise), 0, 255).astype(np.uint8)


def _compressed(rgb: Bytes) -> Bytes:
    done, data = cv2.imencode(".jpg", _blurred(rgb), [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


SPOILT: dict[str, Callable[[Bytes], Bytes]] = {
    "blur of 1.2 pixels": _blurred,
    "the same and noise of 6 levels": _noisy,
    "the same and JPEG of quality 50": _compressed,
}


def _quality(images: Path, weights: Path) -> Table:
    rows = []
    for kind, spoil in SPOILT.items():
        scores: list[tuple[float, ...]] = []
        for name in PORTRAITS:
            truth = np.asarray(cv2.imread(str(images / name), cv2.IMREAD_COLOR_RGB), np.uint8)
            given = spoil(truth)
            work, result = _work(given, weights)
            made = restore_faces.classical(work)
            left, top, width, height = made.found["boxes"][0]
            part = slice(max(0, top), top + height), slice(max(0, left), left + width)
            scores.append(
                (
                    *_scores(truth[part], given[part]),
                    *_scores(truth[part], result[..., :3][part]),
                )
            )
        means = [statistics.mean(column) for column in zip(*scores, strict=True)]
        rows.append(
            (
                kind,
                f"{means[0]:.2f}",
                f"{means[2]:.2f}",
                f"{means[1]:.3f}",
                f"{means[3]:.3f}",
            )
        )
    columns = ("the portrait's fault", "PSNR before", "after", "SSIM before", "after")
    return Table(
        f"Classical path on the faces of {len(PORTRAITS)} portraits, strength as preset",
        columns,
        rows,
        "It makes a face clearer to look at; it does not undo blur, so PSNR moves little.",
    )


def _scores(truth: Bytes, other: Bytes) -> tuple[float, float]:
    error = float(np.mean((truth.astype(np.float64) - other) ** 2))
    likeness: Any = structural_similarity(truth, other, channel_axis=2)
    return 10 * float(np.log10(255**2 / error)), float(likeness)


def _costs(images: Path, weights: Path) -> Table:
    rows = []
    bgr = cv2.imread(str(images / "official_portrait.jpg"))
    assert bgr is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in TWINS[GFPGAN](Variant.GOOD).items():
            (folder / path).write_bytes(data)
        for megapixels, size in footprint.SIZES.items():
            large = cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC)
            rgb = np.ascontiguousarray(large[..., ::-1])
            cells = [f"{megapixels} MP, one face of a quarter of its width"]
            for real in (True, False):
                work, _ = _work(rgb, weights)
                model = _model(GFPGAN, folder)
                began = time.perf_counter()
                if real:
                    restore_faces.real(work, model)
                else:
                    restore_faces.classical(work)
                cells.append(f"{(time.perf_counter() - began) / megapixels:.2f}")
            rows.append(tuple(cells))
    columns = ("layer", "real but for the model", "classical")
    return Table("Seconds per megapixel of the layer, sessions' loading included", columns, rows)


def _everywhere(images: Path) -> Table:
    rows = []
    for megapixels in footprint.SIZES:
        found = footprint.measure(images, "restore-faces", {}, megapixels)
        rows.append(
            (
                f"{megapixels} MP",
                f"{found.seconds / megapixels:.2f}",
                f"{found.cpu_seconds / megapixels:.2f}",
                f"{found.peak_bytes / 1e6:.0f}",
            )
        )
    return Table(
        "Classical path without a detector, on the whole layer",
        ("layer", "seconds per MP", "of the processor", "peak MB beside the pixel files"),
        rows,
    )


if __name__ == "__main__":
    SHARED = Path(__file__).resolve().parents[2] / "shared" / "images"
    sys.stdout.write(section(Path(sys.argv[1]) if sys.argv[1:] else SHARED) + "\n")
