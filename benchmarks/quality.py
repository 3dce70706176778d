"""What the classical paths give and take: PSNR and seconds per megapixel beside known methods."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pictures import NAMES, Bytes, layer, motion_kernel, noisy, photographs, psnr
from report import Aim, Section, Table
from skimage import restoration

from shared_core.algorithms import blur, dct_denoise, deconvolution, noise
from shared_core.bridge import toolbox
from shared_core.pixels import Picture, Raster
from shared_core.tools import registry
from shared_core.tools.work import Work

REFERENCE = "cv2.fastNlMeansDenoising on BGR, 3/11"
TOOL_AUTO = "NSS denoise, noise measured"
TOOL_GIVEN = "NSS denoise, noise given"
ALONE = "its algorithm alone, noise given"
SHARPEN_AUTO = "NSS deblur, blur estimated"
NOTHING = "nothing"
SIGMAS = (15, 25, 50)
TIMED_SIGMA = 25
TIMED_MEGAPIXELS = 1
ROUNDS = 5
SECONDS_AIM = 0.5
# On two idle cores; the aim in seconds means this machine, elsewhere the ratio tells.
REFERENCE_SECONDS = 0.31
Method = Callable[[Bytes], Bytes]


def measure(full: bool) -> list[Section]:
    """Denoise and deblur."""
    pictures = photographs()
    return [_denoise(pictures), _deblur(pictures)]


# ---------------------------------------------------------------- one run of a method


def through_tool(tool: str, rgb: Bytes, parameters: Mapping[str, object]) -> Bytes:
    """``rgb`` through the classical path of a tool, as the worker's runner calls it."""
    height, width = rgb.shape[:2]
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, Raster(width, height, "u8"))
    picture.begin()
    registry.module(tool).classical(
        Work(
            picture,
            toolbox.tool(tool).parse(parameters),
            lambda done, total: None,
            lambda: False,
        )
    )
    return np.ascontiguousarray(result[..., :3])


def _rounded(rgb: Any) -> Bytes:
    return np.clip(np.rint(np.asarray(rgb) * 255), 0, 255).astype(np.uint8)


def _floats(rgb: Bytes) -> Any:
    return rgb * np.float32(1 / 255)


def _seconds(
    methods: Mapping[str, Method], picture: Bytes
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds per megapixel of each method, and the ratio to the reference, medians of rounds.

    All methods take turns in each round, so that a busy machine slows all of them.
    """
    megapixels = picture.size / 3e6
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, method in methods.items():
            began = time.perf_counter()
            method(picture)
            seconds[name].append((time.perf_counter() - began) / megapixels)
    base = seconds[REFERENCE]
    ratios = {
        name: statistics.median(one / other for one, other in zip(taken, base, strict=True))
        for name, taken in seconds.items()
    }
    return {name: statistics.median(taken) for name, taken in seconds.items()}, ratios


# ---------------------------------------------------------------- denoise


def _denoise_methods(sigma: float) -> dict[str, Method]:
    def coloured(rgb: Bytes) -> Bytes:
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        strength = 0.8 * sigma
        done = cv2.fastNlMeansDenoisingColored(bgr, None, strength, strength, 7, 21)
        return np.asarray(cv2.cvtColor(done, cv2.COLOR_BGR2RGB), np.uint8)

    def float_means(rgb: Bytes) -> Bytes:
        level = sigma / 255
        return _rounded(
            restoration.denoise_nl_means(
                _floats(rgb), 5, 6, 0.6 * level, fast_mode=True, sigma=level, channel_axis=-1
            )
        )

    def wavelet(rgb: Bytes) -> Bytes:
        return _rounded(
            restoration.denoise_wavelet(
                _floats(rgb), sigma=sigma / 255, convert2ycbcr=True, channel_axis=-1
            )
        )

    methods: dict[str, Method] = {
        NOTHING: np.copy,
        "cv2.fastNlMeansDenoisingColored, 7/21": coloured,
        REFERENCE: lambda rgb: _reference(rgb, sigma),
        "scikit-image NLM, 5/6": float_means,
    }
    if importlib.util.find_spec("pywt"):
        methods["scikit-image wavelet, BayesShrink"] = wavelet
    methods |= {
        TOOL_AUTO: lambda rgb: through_tool("denoise", rgb, {}),
        TOOL_GIVEN: lambda rgb: through_tool("denoise", rgb, {"strength": sigma}),
        ALONE: lambda rgb: _rounded(dct_denoise.denoise(_floats(rgb), float(sigma), 0.5)),
    }
    return methods


def _reference(rgb: Bytes, sigma: float) -> Bytes:
    return np.asarray(cv2.fastNlMeansDenoising(rgb, None, 1.2 * sigma, 3, 11), np.uint8)


def _denoise(pictures: Mapping[str, Bytes]) -> Section:
    scores: dict[str, dict[int, list[float]]] = defaultdict(dict)
    for sigma in SIGMAS:
        for name, method in _denoise_methods(sigma).items():
            scores[name][sigma] = [
                psnr(pictures[picture], method(noisy(pictures[picture], sigma, seed)))
                for seed, picture in enumerate(NAMES)
            ]
    timed = noisy(layer(TIMED_MEGAPIXELS)[..., :3], TIMED_SIGMA, 0)
    seconds, ratios = _seconds(_denoise_methods(TIMED_SIGMA), timed)
    rows = [
        (
            name,
            *(f"{statistics.mean(of[sigma]):.2f}" for sigma in SIGMAS),
            *(f"{value:.1f}" for value in of[TIMED_SIGMA]),
            f"{seconds[name]:.2f}",
            f"{ratios[name]:.2f}",
        )
        for name, of in scores.items()
    ]
    note = ""
    if not importlib.util.find_spec("pywt"):
        note = "Wavelet shrinkage was not measured: scikit-image needs PyWavelets for it."
    table = Table(
        "PSNR in dB, mean of four pictures; and of each at sigma 25",
        (
            "method",
            *(f"sigma {sigma}" for sigma in SIGMAS),
            *NAMES,
            "s/MP",
            "time of reference",
        ),
        rows,
        note,
    )
    reached = statistics.mean(scores[TOOL_AUTO][TIMED_SIGMA])
    given = statistics.mean(scores[TOOL_GIVEN][TIMED_SIGMA])
    ratio = SECONDS_AIM / REFERENCE_SECONDS
    aims = [
        Aim(
            "classical denoise at sigma 25",
            "at least 29.6 dB",
            f"{reached:.2f} dB (noise given: {given:.2f})",
            reached >= 29.6,
        ),
        Aim(
            "classical denoise at sigma 25, the wish",
            "30.3 dB",
            f"{reached:.2f} dB (noise given: {given:.2f})",
            reached >= 30.3,
        ),
        Aim(
            "classical denoise, time",
            f"at most {SECONDS_AIM} s/MP on two idle cores, {ratio:.1f} times the reference",
            f"{seconds[TOOL_AUTO]:.2f} s/MP, {ratios[TOOL_AUTO]:.2f} times the reference",
            min(seconds[TOOL_AUTO] / SECONDS_AIM, ratios[TOOL_AUTO] / ratio) <= 1,
            f"The reference took {seconds[REFERENCE]:.2f} s/MP in the same rounds; on two idle "
            f"cores it takes {REFERENCE_SECONDS}. The algorithm alone took "
            f"{ratios[ALONE]:.2f} times the reference, the tool with the noise given "
            f"{ratios[TOOL_GIVEN]:.2f}: between them lie the tiles, which overlap by much where a "
            "layer is little larger than one; the rest is measuring the noise.",
        ),
    ]
    return Section(
        "Classical denoise",
        "Gaussian noise, rounded to 8 bits; each method is told the noise level unless the row "
        "says otherwise. Times are of a layer of one megapixel at sigma 25, all methods in turns.",
        [table],
        aims,
    )


# ---------------------------------------------------------------- deblur


@dataclass(frozen=True)
class Fault:
    """A way to spoil a picture, and the user's settings that name it."""

    name: str
    kernel: Any
    noise: float
    settings: Mapping[str, object]

    def spoil(self, rgb: Bytes, seed: int) -> Bytes:
        """The blurred and noisy picture."""
        blurred = cv2.filter2D(
            rgb.astype(np.float32), -1, self.kernel, borderType=cv2.BORDER_REFLECT_101
        )
        return noisy(blurred, self.noise, seed)


def _faults() -> list[Fault]:
    line = cv2.getGaussianKernel(17, 2)
    soft = {"kind": "soft", "radius": 2}
    moved = {"kind": "motion", "length": 15, "angle": 0}
    return [
        Fault("Gauss 2, noise 1", line @ line.T, 1, soft),
        Fault("Gauss 2, noise 3", line @ line.T, 3, soft),
        Fault("motion 15, noise 1", motion_kernel(15, 0), 1, moved),
        Fault("motion 15, noise 3", motion_kernel(15, 0), 3, moved),
    ]


def _unsharp(rgb: Bytes) -> Bytes:
    return np.asarray(cv2.addWeighted(rgb, 2, cv2.GaussianBlur(rgb, (0, 0), 2), -1, 0), np.uint8)


def _alone(rgb: Bytes) -> Bytes:
    floats = _floats(rgb)
    found = blur.estimate_blur(floats)
    return _rounded(deconvolution.deblur(floats, found, 1.0, noise.estimate_sigma(floats)))


def _deblur_methods(fault: Fault) -> dict[str, Method]:
    return {
        NOTHING: np.copy,
        "unsharp mask, sigma 2, amount 1": _unsharp,
        SHARPEN_AUTO: lambda rgb: through_tool("deblur", rgb, {}),
        "NSS deblur, blur given": lambda rgb: through_tool("deblur", rgb, fault.settings),
        "its algorithm alone, blur estimated": _alone,
    }


def _deblur(pictures: Mapping[str, Bytes]) -> Section:
    faults = _faults()
    scores: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for fault in faults:
        for name, method in _deblur_methods(fault).items():
            scores[name][fault.name] = [
                psnr(pictures[picture], method(fault.spoil(pictures[picture], seed)))
                for seed, picture in enumerate(NAMES)
            ]
    timed = faults[0].spoil(np.ascontiguousarray(layer(TIMED_MEGAPIXELS)[..., :3]), 0)
    methods = _deblur_methods(faults[0]) | {REFERENCE: lambda rgb: _reference(rgb, TIMED_SIGMA)}
    seconds, ratios = _seconds(methods, timed)
    rows = []
    gains: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for name, of in scores.items():
        cells = []
        for fault in faults:
            pairs = zip(of[fault.name], scores[NOTHING][fault.name], strict=True)
            gain = gains[name][fault.name] = [after - before for after, before in pairs]
            mean = statistics.mean(of[fault.name])
            cells.append(f"{mean:.2f}" if name == NOTHING else f"{mean:.2f} ({min(gain):+.2f})")
        rows.append((name, *cells, f"{seconds[name]:.2f}", f"{ratios[name]:.2f}"))
    table = Table(
        "PSNR in dB, mean of four pictures; in brackets the gain of the worst of them",
        ("method", *(fault.name for fault in faults), "s/MP", "time of reference"),
        rows,
        f"The reference is {REFERENCE}, {seconds[REFERENCE]:.2f} s/MP in the same rounds.",
    )
    soft = gains[SHARPEN_AUTO][faults[0].name]
    worst = min(min(gain) for gain in gains[SHARPEN_AUTO].values())
    told = ", ".join(f"{name} {gain:+.2f}" for name, gain in zip(NAMES, soft, strict=True))
    aims = [
        Aim(
            "classical deblur, Gauss 2, noise 1",
            "at least +1.2 dB, none below +0.3",
            f"{statistics.mean(soft):+.2f} dB, worst {min(soft):+.2f}",
            statistics.mean(soft) >= 1.2 and min(soft) >= 0.3,
            f"Single pictures: {told}.",
        ),
        Aim(
            "classical deblur, Gauss 2, noise 1, the wish",
            "+2.0 dB",
            f"{statistics.mean(soft):+.2f} dB",
            statistics.mean(soft) >= 2,
            f"Single pictures: {told}.",
        ),
        Aim(
            "classical deblur, all blurs above",
            "never worse than the input by more than 0.1 dB",
            f"worst {worst:+.2f} dB",
            worst >= -0.1,
        ),
    ]
    return Section(
        "Classical deblur (sharpening)",
        "Blurred pictures with Gaussian noise, rounded to 8 bits. Times are of a layer of one "
        "megapixel at Gauss 2 with noise 1, all methods in turns.",
        [table],
        aims,
    )
