"""OpenCV's and scikit-image's own functions beside the classical tools: quality and seconds.

Those that the tables of single tools have already (non-local means, GrabCut, bicubic and Lanczos)
are left out here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from pictures import Bytes, noisy, photographs, psnr
from quality import through_tool
from remove_object import _removed
from report import Aim, Section, Table
from skimage import filters, restoration

SIGMA = 25
BLUR, BLUR_NOISE = 2.0, 1.0
HOLE = 24
Method = Callable[[Bytes], Bytes]


def measure(full: bool) -> list[Section]:
    """Denoise, deblur and fill, each against others' functions."""
    pictures = photographs()
    noise = {name: noisy(one, SIGMA, 1) for name, one in pictures.items()}
    blurred = {
        name: noisy(cv2.GaussianBlur(one, (0, 0), BLUR), BLUR_NOISE, 2)
        for name, one in pictures.items()
    }
    holes = {name: _with_hole(one) for name, one in pictures.items()}
    tables, aims = [], []
    for title, ours, methods, wrong in (
        (f"Denoise, sigma {SIGMA}", "NSS denoise", _denoisers(), noise),
        (f"Deblur, Gauss {BLUR:g} with noise {BLUR_NOISE:g}", "NSS deblur", _sharpeners(), blurred),
        (f"Fill, holes of {HOLE} pixels", "NSS remove object", _fillers(), holes),
    ):
        table, aim = _compared(title, ours, methods, wrong, pictures)
        tables.append(table)
        aims.append(aim)
    return [
        Section(
            "Functions of OpenCV and scikit-image",
            "Each with the usual parameters of its documentation, or those that are right for the "
            "fault, which it is told and NSS finds out; one run on each of four pictures. PSNR "
            "against the picture without the fault, for the fill inside the holes.",
            tables,
            aims,
        )
    ]


def _compared(
    title: str,
    ours: str,
    methods: Mapping[str, Method],
    wrong: Mapping[str, Bytes],
    right: Mapping[str, Bytes],
) -> tuple[Table, Aim]:
    quality: dict[str, float] = {}
    rows = []
    for method, run in methods.items():
        scores, seconds = [], []
        for name, picture in wrong.items():
            began = time.perf_counter()
            made = run(picture)
            seconds.append((time.perf_counter() - began) * 1e6 / made[..., 0].size)
            scores.append(_score(title, made, right[name]))
        quality[method] = statistics.mean(scores)
        rows.append((method, f"{quality[method]:.2f}", f"{statistics.median(seconds):.2f}"))
    best = max((name for name in quality if name != ours), key=lambda name: quality[name])
    return Table(title, ("", "PSNR, dB", "s/MP"), rows), Aim(
        f"{title}: against the best of the others",
        "better",
        f"{quality[ours] - quality[best]:+.2f} dB ({best})",
        quality[ours] > quality[best],
        "PSNR flatters smooth results.",
    )


def _score(title: str, made: Bytes, right: Bytes) -> float:
    if not title.startswith("Fill"):
        return psnr(made, right)
    inside = _hole(right)
    return psnr(made[inside], right[inside])


def _denoisers() -> dict[str, Method]:
    def on_floats(function: Callable[..., Any], **options: Any) -> Method:
        return lambda rgb: _bytes(function(rgb / 255, channel_axis=-1, **options))

    return {
        "skimage denoise_tv_chambolle": on_floats(restoration.denoise_tv_chambolle, weight=0.1),
        "skimage denoise_tv_bregman": on_floats(restoration.denoise_tv_bregman, weight=8.0),
        "cv2.bilateralFilter": lambda rgb: cv2.bilateralFilter(rgb, 9, 3.0 * SIGMA, 9),
        "cv2.medianBlur": lambda rgb: cv2.medianBlur(rgb, 3),
        "NSS denoise": lambda rgb: through_tool("denoise", rgb, {}),
    }


def _sharpeners() -> dict[str, Method]:
    side = 2 * round(4 * BLUR) + 1
    line = cv2.getGaussianKernel(side, BLUR)
    kernel = line @ line.T

    def by_channel(function: Callable[[Any], Any]) -> Method:
        return lambda rgb: _bytes(np.dstack([function(rgb[..., n] / 255) for n in range(3)]))

    return {
        # With ``channel_axis`` scikit-image 0.26 gives values that are in no picture.
        "skimage unsharp_mask": by_channel(
            lambda one: filters.unsharp_mask(one, radius=BLUR, amount=1)
        ),
        "skimage richardson_lucy, 10 rounds": by_channel(
            lambda one: restoration.richardson_lucy(one, kernel, num_iter=10)
        ),
        "skimage wiener, balance 0.01": by_channel(
            lambda one: restoration.wiener(one, kernel, 0.01)
        ),
        "skimage unsupervised_wiener": by_channel(
            lambda one: restoration.unsupervised_wiener(one, kernel, rng=1)[0]
        ),
        "NSS deblur": lambda rgb: through_tool("deblur", rgb, {}),
    }


def _fillers() -> dict[str, Method]:
    def biharmonic(rgb: Bytes) -> Bytes:
        return _bytes(restoration.inpaint_biharmonic(rgb / 255, _hole(rgb), channel_axis=-1))

    def inpainted(how: int) -> Method:
        return lambda rgb: cv2.inpaint(rgb, _hole(rgb).astype(np.uint8), 3, how)

    return {
        "skimage inpaint_biharmonic": biharmonic,
        "cv2.inpaint, Telea": inpainted(cv2.INPAINT_TELEA),
        "cv2.inpaint, Navier-Stokes": inpainted(cv2.INPAINT_NS),
        "NSS remove object": lambda rgb: _removed(rgb, _hole(rgb).astype(np.uint8) * 255),
    }


def _hole(rgb: Bytes) -> Any:
    """Nine squares, evenly spread."""
    height, width = rgb.shape[:2]
    inside = np.zeros((height, width), bool)
    for row in range(1, 4):
        for column in range(1, 4):
            top, left = row * height // 4, column * width // 4
            inside[top : top + HOLE, left : left + HOLE] = True
    return inside


def _with_hole(rgb: Bytes) -> Bytes:
    made = rgb.copy()
    made[_hole(rgb)] = 255
    return made


def _bytes(floats: Any) -> Bytes:
    return np.clip(np.rint(np.asarray(floats) * 255), 0, 255).astype(np.uint8)
